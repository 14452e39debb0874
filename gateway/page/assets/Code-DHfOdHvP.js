import{i as e}from"./rolldown-runtime-COiEfhsA.js";import{a as t,c as n,d as r,f as i,i as a,l as o,m as s,n as c,o as l,r as u,s as d,t as f,u as p}from"./theme-F_dgEPe_.js";import{i as m,t as h}from"./react-C-U61RdZ.js";import{i as g,r as _}from"./catalogue-aA6Z2SV4.js";import{a as v,i as ee,n as te,o as ne,r as re,s as y,t as ie}from"./Panes-qHTe9riI.js";import{H as b,s as x}from"./dist-CSXtTvL4.js";import{n as S,t as C}from"./source-BcYOiWc_.js";var w=e(m(),1),T={code:`_code_1xmch_1`,editor:`_editor_1xmch_10`,blank:`_blank_1xmch_14`,start:`_start_1xmch_21`,examples:`_examples_1xmch_34`,notice:`_notice_1xmch_60`},E=2,D=8192;function O(e,t){let n=document.createElement(`a`);n.href=URL.createObjectURL(e),n.download=t,n.click(),setTimeout(()=>URL.revokeObjectURL(n.href),6e4)}var k=(e,t)=>`${e.replace(/[\\/:*?"<>|\p{Cc}]+/gu,` `).trim().slice(0,120)||`diagram`}.${t}`;function ae(e,t){O(new Blob([e.svg],{type:`image/svg+xml`}),k(t,`svg`))}async function oe(e,t,n){let r=new Image;r.src=`data:image/svg+xml;charset=utf-8,${encodeURIComponent(e.svg)}`,await r.decode();let i=Math.min(E,D/Math.max(e.width,e.height)),a=document.createElement(`canvas`);a.width=Math.ceil(e.width*i),a.height=Math.ceil(e.height*i);let o=a.getContext(`2d`);if(!o)throw Error(`This browser has no canvas`);o.fillStyle=n,o.fillRect(0,0,a.width,a.height),o.drawImage(r,0,0,a.width,a.height);let s=await new Promise(e=>a.toBlob(e,`image/png`));if(!s)throw Error(`This browser made no PNG`);O(s,k(t,`png`))}var A={flow:`flowchart TD
  start([Start]) --> check{Is it right?}
  check -- yes --> done([Done])
  check -- no --> fix[Change it]
  fix --> check
`,sequence:`sequenceDiagram
  actor Person
  participant Page
  participant Server
  Person->>Page: Save
  Page->>Server: PATCH /diagrams/42
  Server-->>Page: 200 OK
  Page-->>Person: Saved
`,class:`classDiagram
  class Shape {
    +String colour
    +area() float
  }
  class Circle {
    +float radius
  }
  Shape <|-- Circle
`,state:`stateDiagram-v2
  [*] --> Draft
  Draft --> Review: submit
  Review --> Draft: change
  Review --> Published: accept
  Published --> [*]
`,entity:`erDiagram
  CUSTOMER ||--o{ ORDER : places
  ORDER ||--|{ LINE : contains
  CUSTOMER {
    int id PK
    string name
  }
  ORDER {
    int id PK
    date placed
  }
`,gantt:`gantt
  title Release
  dateFormat YYYY-MM-DD
  section Design
    Sketch :sketch, 2026-01-05, 5d
    Review :review, after sketch, 2d
  section Build
    First version :build, after review, 10d
`,mindmap:`mindmap
  root((Idea))
    Why
      Purpose
      Readers
    How
      Steps
      Tools
`,git:`gitGraph
  commit
  branch feature
  commit
  commit
  checkout main
  merge feature
  commit tag: "1.0"
`},j={line:`_line_7gbt8_1`,text:`_text_7gbt8_22`,badge:`_badge_7gbt8_27`},M=h();function se(e){let{fault:t,stale:n,onGo:r,onRetry:i}=e,a=g(d),o=t?.place?.line;return(0,M.jsx)(`div`,{className:j.line,role:`status`,children:t&&(0,M.jsxs)(M.Fragment,{children:[(0,M.jsx)(y,{name:`warning`}),n&&(0,M.jsx)(`span`,{className:j.badge,children:a.stale}),(0,M.jsx)(`span`,{className:j.text,children:l(t)}),o!==void 0&&(0,M.jsx)(`button`,{type:`button`,"aria-label":a.goTo(o),onClick:()=>r(o),children:a.line(o)}),t.kind===`unavailable`&&(0,M.jsx)(`button`,{type:`button`,onClick:i,children:a.retry})]})})}var N=[`accTitle`,`accDescr`,`title`],P=`subgraph end direction click style linkStyle classDef class TB TD BT LR RL`,F={flowchart:P,graph:P,sequenceDiagram:`participant actor as create destroy activate deactivate autonumber note Note over left right of loop alt else opt par and critical option break rect end box links`,classDiagram:`class namespace direction note for link callback click style classDef cssClass interface abstract enumeration TB TD BT LR RL`,"stateDiagram-v2":`state as note end left right of direction classDef class fork join choice TB TD BT LR RL`,erDiagram:`PK FK UK direction style classDef class TB BT LR RL string int float boolean date`,gantt:`dateFormat axisFormat tickInterval excludes includes weekday weekend todayMarker section done active crit milestone vert after until`,mindmap:``,gitGraph:`commit branch checkout switch merge cherry-pick id tag type order NORMAL REVERSE HIGHLIGHT`,pie:`showData`,journey:`section`,timeline:`section`,quadrantChart:`x-axis y-axis quadrant-1 quadrant-2 quadrant-3 quadrant-4`,requirementDiagram:`requirement functionalRequirement interfaceRequirement performanceRequirement physicalRequirement designConstraint element id text risk verifymethod type docref contains copies derives satisfies verifies refines traces low medium high analysis inspection test demonstration`,C4Context:`Person Person_Ext System System_Ext Boundary Enterprise_Boundary System_Boundary Rel BiRel UpdateRelStyle`,"xychart-beta":`x-axis y-axis bar line horizontal`,"sankey-beta":``,"block-beta":`columns block end space style classDef class`,"packet-beta":``,"architecture-beta":`group service junction in align L R T B cloud database disk internet server`,kanban:``,"radar-beta":`axis curve max min ticks graticule showLegend`,"treemap-beta":`classDef`},I={stateDiagram:`stateDiagram-v2`,"classDiagram-v2":`classDiagram`},L=Object.keys(F);function R(e){return[...(F[I[e]??e]??``).split(` `).filter(Boolean),...N]}function z(e){let t=e.replace(/^\s*---\n[\s\S]*?\n---\n/,``).replace(/%%\{[\s\S]*?\}%%|^\s*%%.*$/gm,``);return/^\s*([\w-]+)/.exec(t)?.[1]??``}var B=5e4,ce=[[/^(flowchart|graph)$/,`subgraph`,`subgraph #{name}
  #{}
end`],[/^sequenceDiagram$/,`alt`,`alt #{condition}
  #{}
else #{otherwise}
  #{}
end`],[/^sequenceDiagram$/,`loop`,`loop #{until}
  #{}
end`],[/^sequenceDiagram$/,`opt`,`opt #{condition}
  #{}
end`],[/^sequenceDiagram$/,`par`,`par #{one}
  #{}
and #{other}
  #{}
end`],[/^classDiagram/,`class`,`class #{Name} {
  +#{String} #{field}
  +#{method}()
}`],[/^stateDiagram/,`state`,`state #{Name} {
  [*] --> #{first}
}`],[/^erDiagram$/,`entity`,`#{ENTITY} {
  int #{id} PK
}`],[/^gantt$/,`section`,`section #{name}
  #{task} :#{id}, #{2026-01-01}, #{5d}`]],V=e=>ce.filter(([t])=>t.test(e)).map(([,e,t])=>s(t,{label:e,detail:`…`,boost:2}));function H(e,t,n){let r=new Set([...n,...L]),i=new Set;for(let{0:n,index:a}of e.slice(0,B).matchAll(/[\p{L}_][\p{L}\p{N}_]+/gu))a!==t&&!r.has(n)&&i.add(n);return[...i]}var U=e=>{let t=e.matchBefore(/[\p{L}_][\p{L}\p{N}_-]*/u);if(!t&&!e.explicit)return null;let n=t?.from??e.pos,r=e.state.doc.toString(),i=r.slice(0,n),a=/^[\p{L}\p{N}_-]*$/u;if(!z(i))return{from:n,validFor:a,options:L.map(e=>({label:e,type:`type`}))};let o=z(r),s=R(o),c=V(o);return{from:n,validFor:a,options:[...c,...s.filter(e=>!c.some(({label:t})=>t===e)).map(e=>({label:e,type:`keyword`})),...H(r,n,s).map(e=>({label:e,type:`variable`,boost:1}))]}},W=/^(sequenceDiagram|stateDiagram|classDiagram|erDiagram|timeline)/,le=/^(flowchart|graph|mindmap|block-beta|kanban|architecture-beta)/;function G(e,t){return t.inside===`directive`?e.skipTo(`}%%`)&&e.match(`}%%`)?t.inside=null:e.skipToEnd():(e.sol()&&e.match(/^\s*---\s*$/,!1)&&(t.inside=null),e.skipToEnd()),`meta`}function ue(e,t){return e.match(`%%{`)?(t.inside=`directive`,G(e,t)):e.match(`%%`)?(e.skipToEnd(),`comment`):!t.begun&&e.sol()&&e.match(/^---\s*$/)?(t.inside=`front matter`,`meta`):null}function de(e,t){return e.begun=!0,e.kind=t,e.words=new Set(R(t)),`typeName`}function fe(e,{begun:t,kind:n}){return e.match(/^"[^"]*"?/)?!0:t&&W.test(n)&&e.match(/^:(?!:)\s*/)?(e.skipToEnd(),!0):le.test(n)&&!!e.match(/^[[({>]+[^[\](){}"\n]*[\])}]+/)}function pe(e,t){let n=e.match(/^[\p{L}_][\p{L}\p{N}_]*(?:-[\p{L}\p{N}]+)*/u);return!n||n===!0?null:t.begun?t.words.has(n[0])?`keyword`:`variableName`:de(t,n[0])}function me(e,t){if(t.inside)return G(e,t);if(e.eatSpace())return null;let n=ue(e,t);if(n)return n;if(fe(e,t))return`string`;if(e.match(/^[ox<*|}]*(?:--|==|-[.>x)]|\.\.|~~)[-=.~>|ox*{)]*|^[<>|&]+|^:::/))return`operator`;if(e.match(/^#?\d[\w.-]*/))return`number`;let r=pe(e,t);return r||e.next(),r}var he=x.define({name:`mermaid`,startState:()=>({kind:``,words:new Set,inside:null,begun:!1}),copyState:e=>({...e}),token:me,languageData:{commentTokens:{line:`%%`},closeBrackets:{brackets:[`(`,`[`,`{`,`"`]}}}),ge=()=>[b(),p(),he,i({override:[U],icons:!1})];function _e(e,{doc:t}){if(!e?.place)return[];let n=t.line(Math.max(1,Math.min(e.place.line,t.lines))),r=Math.min(n.from+e.place.column,n.to);return[{from:r,to:Math.min(r+e.place.length,n.to),severity:`error`,message:l(e)}]}var K={view:`_view_1ij8f_1`,box:`_box_1ij8f_9`,stale:`_stale_1ij8f_30`,controls:`_controls_1ij8f_33`,percent:`_percent_1ij8f_59`},q=.05,ve=8;function J(e,t){let n={width:Math.max(1,t.width-48),height:Math.max(1,t.height-48)},r=Math.max(q,Math.min(1,n.width/e.width,n.height/e.height));return{scale:r,x:(t.width-e.width*r)/2,y:(t.height-e.height*r)/2}}var Y=({scale:e,x:t,y:n},r,i)=>({scale:e,x:t+r,y:n+i});function X({scale:e,x:t,y:n},r,i,a){let o=Math.min(ve,Math.max(q,e*r)),s=o/e;return{scale:o,x:i-(i-t)*s,y:a-(a-n)*s}}var Z=1.25,Q=60,ye={ArrowLeft:e=>Y(e,Q,0),ArrowRight:e=>Y(e,-60,0),ArrowUp:e=>Y(e,0,Q),ArrowDown:e=>Y(e,0,-60),"+":(e,t)=>X(e,Z,t.width/2,t.height/2),"-":(e,t)=>X(e,1/Z,t.width/2,t.height/2)};function be(e){let[t,n]=(0,w.useState)({width:0,height:0});return(0,w.useLayoutEffect)(()=>{let t=e.current;if(!t)return;let r=()=>n({width:t.clientWidth,height:t.clientHeight}),i=new ResizeObserver(r);return i.observe(t),r(),()=>i.disconnect()},[e]),t}function xe({drawing:e,stale:t}){let n=g(d),r=(0,w.useRef)(null),i=be(r),[o,s]=(0,w.useState)(null),c=o??J(e,i),l=(0,w.useRef)(new Map),u=e=>s(X(c,e,i.width/2,i.height/2)),f=(0,w.useRef)(e=>{});f.current=e=>s(e(c)),(0,w.useEffect)(()=>{let e=r.current,t=t=>{t.preventDefault();let{left:n,top:r}=e?.getBoundingClientRect()??{left:0,top:0};f.current(e=>t.ctrlKey||t.metaKey?X(e,Math.exp(-t.deltaY/200),t.clientX-n,t.clientY-r):Y(e,-t.deltaX,-t.deltaY))};return e?.addEventListener(`wheel`,t,{passive:!1}),()=>e?.removeEventListener(`wheel`,t)},[]);function p(e){e.currentTarget.setPointerCapture(e.pointerId),l.current.set(e.pointerId,{x:e.clientX,y:e.clientY})}function m(e){let t=l.current.get(e.pointerId);if(!t)return;let n={x:e.clientX,y:e.clientY},r=[...l.current].find(([t])=>t!==e.pointerId)?.[1];if(l.current.set(e.pointerId,n),!r)return s(Y(c,n.x-t.x,n.y-t.y));let{left:i,top:a}=e.currentTarget.getBoundingClientRect(),o=e=>Math.hypot(e.x-r.x,e.y-r.y)||1;s(X(c,o(n)/o(t),(n.x+r.x)/2-i,(n.y+r.y)/2-a))}let h=e=>l.current.delete(e.pointerId);function _(e){if(e.ctrlKey||e.metaKey||e.altKey)return;let t=ye[e.key===`=`?`+`:e.key];if(e.key===`0`)s(null);else if(t)s(t(c,i));else return;e.preventDefault()}let v=[e.title,e.description].filter(Boolean).join(`. `)||`${n.picture}: ${e.type}`;return(0,M.jsxs)(`div`,{className:K.view,children:[(0,M.jsx)(`section`,{ref:r,className:K.box,tabIndex:0,"aria-label":n.pictureHelp,onKeyDown:_,onPointerDown:p,onPointerMove:m,onPointerUp:h,onPointerCancel:h,children:(0,M.jsx)(`img`,{className:t?K.stale:void 0,src:a(e),alt:v,draggable:!1,style:{width:e.width*c.scale,height:e.height*c.scale,transform:`translate(${c.x}px, ${c.y}px)`}})}),(0,M.jsxs)(`div`,{className:K.controls,children:[(0,M.jsx)(`button`,{type:`button`,"aria-label":n.zoomOut,title:n.zoomOut,onClick:()=>u(1/Z),children:(0,M.jsx)(y,{name:`minus`})}),(0,M.jsxs)(`button`,{type:`button`,className:K.percent,"aria-label":n.actualSize,title:n.actualSize,onClick:()=>u(1/c.scale),children:[Math.round(c.scale*100),` %`]}),(0,M.jsx)(`button`,{type:`button`,"aria-label":n.zoomIn,title:n.zoomIn,onClick:()=>u(Z),children:(0,M.jsx)(y,{name:`plus`})}),(0,M.jsx)(`button`,{type:`button`,"aria-label":n.fit,title:n.fit,onClick:()=>s(null),children:(0,M.jsx)(y,{name:`fit`})})]})]})}var Se=Object.keys(A).filter(e=>e in A);function $(e){let t=S(e);return t===null&&e.trim()?{text:e,close:e=>e}:{text:t??``,close:C}}function Ce({initial:e,readOnly:i,onEdit:a,ref:s,menu:l}){let p=g(d),m=(0,w.useRef)(null),h=(0,w.useRef)(null),[y]=(0,w.useState)(()=>new u(f())),{drawing:b,fault:x,waiting:S}=(0,w.useSyncExternalStore)(y.subscribe,y.current),[E,D]=re(`code`),[O,k]=(0,w.useState)(``),[j,N]=(0,w.useState)(()=>!$(e.note_content??``).text.trim()),P=c(),F=(0,w.useRef)(C),I=(0,w.useRef)(a);I.current=a;let L=()=>h.current?.state.doc.toString()??``;(0,w.useEffect)(()=>{if(!m.current)return;let{text:t,close:r}=$(e.note_content??``);F.current=r;let a=()=>{N(!s.state.doc.toString().trim()),k(``),y.edited(()=>s.state.doc.toString()),I.current(()=>({note_content:F.current(s.state.doc.toString())}))},o=_(d).editorLabel,s=n(m.current,{text:t,label:o,readOnly:i,extensions:ge(),onEdit:a});return h.current=s,y.open(()=>s.state.doc.toString()),()=>{y.close(),s.destroy()}},[y,i]),(0,w.useImperativeHandle)(s,()=>({show(e){if(e.note_content===void 0||!h.current)return;let{text:t,close:n}=$(e.note_content??``);F.current=n,o(h.current,t),N(!t.trim()),y.edited(L)}})),(0,w.useEffect)(()=>y.wear(P),[y,P]),(0,w.useEffect)(()=>{let e=h.current;e&&e.dispatch(r(e.state,_e(x,e.state)))},[x]);function R(e){let t=h.current;t&&(t.dispatch({changes:{from:0,to:t.state.doc.length,insert:A[e]},userEvent:`input`}),t.focus())}let z=b?.title||document.title.split(` · `)[0]||p.untitled;function B(){let e=getComputedStyle(document.body).backgroundColor;b&&oe(b,z,e).catch(()=>k(p.downloadFailed))}return(0,M.jsxs)(`div`,{className:T.code,children:[(0,M.jsxs)(ee,{label:p.source,children:[(0,M.jsx)(ie,{mode:E,onMode:D,labels:{group:p.shown,first:p.source,both:p.both,second:p.picture}}),l,(0,M.jsx)(ne,{}),b&&!j&&(0,M.jsxs)(M.Fragment,{children:[(0,M.jsx)(v,{icon:`download`,text:p.downloadSvg,label:p.downloadAs(`SVG`),onClick:()=>ae(b,z)}),(0,M.jsx)(v,{icon:`download`,text:p.downloadPng,label:p.downloadAs(`PNG`),onClick:B})]})]}),(0,M.jsx)(te,{mode:E,first:(0,M.jsx)(`div`,{ref:m,className:T.editor}),second:j&&!i?(0,M.jsx)(we,{onStart:R}):(0,M.jsxs)(M.Fragment,{children:[b?(0,M.jsx)(xe,{drawing:b,stale:x!==null}):(0,M.jsx)(`div`,{className:T.blank,"aria-busy":S,children:S&&p.drawing}),(0,M.jsx)(se,{fault:x,stale:b!==null,onGo:e=>{E===`second`&&D(`both`),h.current&&t(h.current,e)},onRetry:()=>void y.refresh()})]})}),(0,M.jsx)(`p`,{className:T.notice,role:`status`,children:O})]})}function we({onStart:e}){let t=g(d);return(0,M.jsxs)(`section`,{className:T.start,"aria-label":t.startFrom,children:[(0,M.jsx)(`h2`,{children:t.startFrom}),(0,M.jsx)(`p`,{children:t.startHint}),(0,M.jsx)(`div`,{className:T.examples,children:Se.map(n=>(0,M.jsxs)(`button`,{type:`button`,onClick:()=>e(n),children:[(0,M.jsx)(`strong`,{children:t.example[n]}),(0,M.jsx)(`code`,{children:A[n].split(`
`)[0]})]},n))})]})}export{Ce as default};