import{i as e}from"./rolldown-runtime-COiEfhsA.js";import{a as t,c as n,d as r,i,l as a,n as o,o as s,r as c,s as l,t as u,u as d}from"./NoteEditor-90pl1TO7.js";import{i as f,t as p}from"./react-C-U61RdZ.js";import{i as m,r as h}from"./catalogue-aA6Z2SV4.js";import{a as g,c as _,i as v,n as y,o as b,r as ee,s as te}from"./sentences-B7ygdOy6.js";import{o as x,t as S}from"./dist-e-3etGXy.js";import{H as C,s as w}from"./dist-CSXtTvL4.js";import{n as T,r as E}from"./Note-DexMbXQf.js";var D=e(f(),1),O={code:`_code_1xmch_1`,editor:`_editor_1xmch_10`,blank:`_blank_1xmch_14`,start:`_start_1xmch_21`,examples:`_examples_1xmch_34`,notice:`_notice_1xmch_60`},k=2,A=8192;function j(e,t){let n=document.createElement(`a`);n.href=URL.createObjectURL(e),n.download=t,n.click(),setTimeout(()=>URL.revokeObjectURL(n.href),6e4)}var M=(e,t)=>`${e.replace(/[\\/:*?"<>|\p{Cc}]+/gu,` `).trim().slice(0,120)||`diagram`}.${t}`;function ne(e,t){j(new Blob([e.svg],{type:`image/svg+xml`}),M(t,`svg`))}async function re(e,t,n){let r=new Image;r.src=`data:image/svg+xml;charset=utf-8,${encodeURIComponent(e.svg)}`,await r.decode();let i=Math.min(k,A/Math.max(e.width,e.height)),a=document.createElement(`canvas`);a.width=Math.ceil(e.width*i),a.height=Math.ceil(e.height*i);let o=a.getContext(`2d`);if(!o)throw Error(`This browser has no canvas`);o.fillStyle=n,o.fillRect(0,0,a.width,a.height),o.drawImage(r,0,0,a.width,a.height);let s=await new Promise(e=>a.toBlob(e,`image/png`));if(!s)throw Error(`This browser made no PNG`);j(s,M(t,`png`))}var N={flow:`flowchart TD
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
`},P={line:`_line_7gbt8_1`,text:`_text_7gbt8_22`,badge:`_badge_7gbt8_27`},F=p();function ie(e){let{fault:t,stale:n,onGo:r,onRetry:i}=e,a=m(l),o=t?.place?.line;return(0,F.jsx)(`div`,{className:P.line,role:`status`,children:t&&(0,F.jsxs)(F.Fragment,{children:[(0,F.jsx)(_,{name:`warning`}),n&&(0,F.jsx)(`span`,{className:P.badge,children:a.stale}),(0,F.jsx)(`span`,{className:P.text,children:s(t)}),o!==void 0&&(0,F.jsx)(`button`,{type:`button`,"aria-label":a.goTo(o),onClick:()=>r(o),children:a.line(o)}),t.kind===`unavailable`&&(0,F.jsx)(`button`,{type:`button`,onClick:i,children:a.retry})]})})}var I=[`accTitle`,`accDescr`,`title`],L=`subgraph end direction click style linkStyle classDef class TB TD BT LR RL`,R={flowchart:L,graph:L,sequenceDiagram:`participant actor as create destroy activate deactivate autonumber note Note over left right of loop alt else opt par and critical option break rect end box links`,classDiagram:`class namespace direction note for link callback click style classDef cssClass interface abstract enumeration TB TD BT LR RL`,"stateDiagram-v2":`state as note end left right of direction classDef class fork join choice TB TD BT LR RL`,erDiagram:`PK FK UK direction style classDef class TB BT LR RL string int float boolean date`,gantt:`dateFormat axisFormat tickInterval excludes includes weekday weekend todayMarker section done active crit milestone vert after until`,mindmap:``,gitGraph:`commit branch checkout switch merge cherry-pick id tag type order NORMAL REVERSE HIGHLIGHT`,pie:`showData`,journey:`section`,timeline:`section`,quadrantChart:`x-axis y-axis quadrant-1 quadrant-2 quadrant-3 quadrant-4`,requirementDiagram:`requirement functionalRequirement interfaceRequirement performanceRequirement physicalRequirement designConstraint element id text risk verifymethod type docref contains copies derives satisfies verifies refines traces low medium high analysis inspection test demonstration`,C4Context:`Person Person_Ext System System_Ext Boundary Enterprise_Boundary System_Boundary Rel BiRel UpdateRelStyle`,"xychart-beta":`x-axis y-axis bar line horizontal`,"sankey-beta":``,"block-beta":`columns block end space style classDef class`,"packet-beta":``,"architecture-beta":`group service junction in align L R T B cloud database disk internet server`,kanban:``,"radar-beta":`axis curve max min ticks graticule showLegend`,"treemap-beta":`classDef`},z={stateDiagram:`stateDiagram-v2`,"classDiagram-v2":`classDiagram`},B=Object.keys(R);function V(e){return[...(R[z[e]??e]??``).split(` `).filter(Boolean),...I]}function H(e){let t=e.replace(/^\s*---\n[\s\S]*?\n---\n/,``).replace(/%%\{[\s\S]*?\}%%|^\s*%%.*$/gm,``);return/^\s*([\w-]+)/.exec(t)?.[1]??``}var ae=5e4,oe=[[/^(flowchart|graph)$/,`subgraph`,`subgraph #{name}
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
  #{task} :#{id}, #{2026-01-01}, #{5d}`]],se=e=>oe.filter(([t])=>t.test(e)).map(([,e,t])=>x(t,{label:e,detail:`…`,boost:2}));function ce(e,t,n){let r=new Set([...n,...B]),i=new Set;for(let{0:n,index:a}of e.slice(0,ae).matchAll(/[\p{L}_][\p{L}\p{N}_]+/gu))a!==t&&!r.has(n)&&i.add(n);return[...i]}var U=e=>{let t=e.matchBefore(/[\p{L}_][\p{L}\p{N}_-]*/u);if(!t&&!e.explicit)return null;let n=t?.from??e.pos,r=e.state.doc.toString(),i=r.slice(0,n),a=/^[\p{L}\p{N}_-]*$/u;if(!H(i))return{from:n,validFor:a,options:B.map(e=>({label:e,type:`type`}))};let o=H(r),s=V(o),c=se(o);return{from:n,validFor:a,options:[...c,...s.filter(e=>!c.some(({label:t})=>t===e)).map(e=>({label:e,type:`keyword`})),...ce(r,n,s).map(e=>({label:e,type:`variable`,boost:1}))]}},W=/^(sequenceDiagram|stateDiagram|classDiagram|erDiagram|timeline)/,le=/^(flowchart|graph|mindmap|block-beta|kanban|architecture-beta)/;function G(e,t){return t.inside===`directive`?e.skipTo(`}%%`)&&e.match(`}%%`)?t.inside=null:e.skipToEnd():(e.sol()&&e.match(/^\s*---\s*$/,!1)&&(t.inside=null),e.skipToEnd()),`meta`}function ue(e,t){return e.match(`%%{`)?(t.inside=`directive`,G(e,t)):e.match(`%%`)?(e.skipToEnd(),`comment`):!t.begun&&e.sol()&&e.match(/^---\s*$/)?(t.inside=`front matter`,`meta`):null}function de(e,t){return e.begun=!0,e.kind=t,e.words=new Set(V(t)),`typeName`}function fe(e,{begun:t,kind:n}){return e.match(/^"[^"]*"?/)?!0:t&&W.test(n)&&e.match(/^:(?!:)\s*/)?(e.skipToEnd(),!0):le.test(n)&&!!e.match(/^[[({>]+[^[\](){}"\n]*[\])}]+/)}function pe(e,t){let n=e.match(/^[\p{L}_][\p{L}\p{N}_]*(?:-[\p{L}\p{N}]+)*/u);return!n||n===!0?null:t.begun?t.words.has(n[0])?`keyword`:`variableName`:de(t,n[0])}function me(e,t){if(t.inside)return G(e,t);if(e.eatSpace())return null;let n=ue(e,t);if(n)return n;if(fe(e,t))return`string`;if(e.match(/^[ox<*|}]*(?:--|==|-[.>x)]|\.\.|~~)[-=.~>|ox*{)]*|^[<>|&]+|^:::/))return`operator`;if(e.match(/^#?\d[\w.-]*/))return`number`;let r=pe(e,t);return r||e.next(),r}var he=w.define({name:`mermaid`,startState:()=>({kind:``,words:new Set,inside:null,begun:!1}),copyState:e=>({...e}),token:me,languageData:{commentTokens:{line:`%%`},closeBrackets:{brackets:[`(`,`[`,`{`,`"`]}}}),ge=()=>[C(),d(),he,S({override:[U],icons:!1})];function _e(e,{doc:t}){if(!e?.place)return[];let n=t.line(Math.max(1,Math.min(e.place.line,t.lines))),r=Math.min(n.from+e.place.column,n.to);return[{from:r,to:Math.min(r+e.place.length,n.to),severity:`error`,message:s(e)}]}var K={view:`_view_1ij8f_1`,box:`_box_1ij8f_9`,stale:`_stale_1ij8f_30`,controls:`_controls_1ij8f_33`,percent:`_percent_1ij8f_59`},q=.05,ve=8;function J(e,t){let n={width:Math.max(1,t.width-48),height:Math.max(1,t.height-48)},r=Math.max(q,Math.min(1,n.width/e.width,n.height/e.height));return{scale:r,x:(t.width-e.width*r)/2,y:(t.height-e.height*r)/2}}var Y=({scale:e,x:t,y:n},r,i)=>({scale:e,x:t+r,y:n+i});function X({scale:e,x:t,y:n},r,i,a){let o=Math.min(ve,Math.max(q,e*r)),s=o/e;return{scale:o,x:i-(i-t)*s,y:a-(a-n)*s}}var Z=1.25,Q=60,ye={ArrowLeft:e=>Y(e,Q,0),ArrowRight:e=>Y(e,-60,0),ArrowUp:e=>Y(e,0,Q),ArrowDown:e=>Y(e,0,-60),"+":(e,t)=>X(e,Z,t.width/2,t.height/2),"-":(e,t)=>X(e,1/Z,t.width/2,t.height/2)};function be(e){let[t,n]=(0,D.useState)({width:0,height:0});return(0,D.useLayoutEffect)(()=>{let t=e.current;if(!t)return;let r=()=>n({width:t.clientWidth,height:t.clientHeight}),i=new ResizeObserver(r);return i.observe(t),r(),()=>i.disconnect()},[e]),t}function xe({drawing:e,stale:t}){let n=m(l),r=(0,D.useRef)(null),a=be(r),[o,s]=(0,D.useState)(null),c=o??J(e,a),u=(0,D.useRef)(new Map),d=e=>s(X(c,e,a.width/2,a.height/2)),f=(0,D.useRef)(e=>{});f.current=e=>s(e(c)),(0,D.useEffect)(()=>{let e=r.current,t=t=>{t.preventDefault();let{left:n,top:r}=e?.getBoundingClientRect()??{left:0,top:0};f.current(e=>t.ctrlKey||t.metaKey?X(e,Math.exp(-t.deltaY/200),t.clientX-n,t.clientY-r):Y(e,-t.deltaX,-t.deltaY))};return e?.addEventListener(`wheel`,t,{passive:!1}),()=>e?.removeEventListener(`wheel`,t)},[]);function p(e){e.currentTarget.setPointerCapture(e.pointerId),u.current.set(e.pointerId,{x:e.clientX,y:e.clientY})}function h(e){let t=u.current.get(e.pointerId);if(!t)return;let n={x:e.clientX,y:e.clientY},r=[...u.current].find(([t])=>t!==e.pointerId)?.[1];if(u.current.set(e.pointerId,n),!r)return s(Y(c,n.x-t.x,n.y-t.y));let{left:i,top:a}=e.currentTarget.getBoundingClientRect(),o=e=>Math.hypot(e.x-r.x,e.y-r.y)||1;s(X(c,o(n)/o(t),(n.x+r.x)/2-i,(n.y+r.y)/2-a))}let g=e=>u.current.delete(e.pointerId);function v(e){if(e.ctrlKey||e.metaKey||e.altKey)return;let t=ye[e.key===`=`?`+`:e.key];if(e.key===`0`)s(null);else if(t)s(t(c,a));else return;e.preventDefault()}let y=[e.title,e.description].filter(Boolean).join(`. `)||`${n.picture}: ${e.type}`;return(0,F.jsxs)(`div`,{className:K.view,children:[(0,F.jsx)(`section`,{ref:r,className:K.box,tabIndex:0,"aria-label":n.pictureHelp,onKeyDown:v,onPointerDown:p,onPointerMove:h,onPointerUp:g,onPointerCancel:g,children:(0,F.jsx)(`img`,{className:t?K.stale:void 0,src:i(e),alt:y,draggable:!1,style:{width:e.width*c.scale,height:e.height*c.scale,transform:`translate(${c.x}px, ${c.y}px)`}})}),(0,F.jsxs)(`div`,{className:K.controls,children:[(0,F.jsx)(`button`,{type:`button`,"aria-label":n.zoomOut,title:n.zoomOut,onClick:()=>d(1/Z),children:(0,F.jsx)(_,{name:`minus`})}),(0,F.jsxs)(`button`,{type:`button`,className:K.percent,"aria-label":n.actualSize,title:n.actualSize,onClick:()=>d(1/c.scale),children:[Math.round(c.scale*100),` %`]}),(0,F.jsx)(`button`,{type:`button`,"aria-label":n.zoomIn,title:n.zoomIn,onClick:()=>d(Z),children:(0,F.jsx)(_,{name:`plus`})}),(0,F.jsx)(`button`,{type:`button`,"aria-label":n.fit,title:n.fit,onClick:()=>s(null),children:(0,F.jsx)(_,{name:`fit`})})]})]})}var Se=Object.keys(N).filter(e=>e in N);function $(e){let t=E(e);return t===null&&e.trim()?{text:e,close:e=>e}:{text:t??``,close:T}}function Ce({initial:e,readOnly:i,onEdit:s,ref:d,menu:f}){let p=m(l),_=(0,D.useRef)(null),x=(0,D.useRef)(null),[S]=(0,D.useState)(()=>new c(u())),{drawing:C,fault:w,waiting:E}=(0,D.useSyncExternalStore)(S.subscribe,S.current),[k,A]=v(`code`),[j,M]=(0,D.useState)(``),[P,I]=(0,D.useState)(()=>!$(e.note_content??``).text.trim()),L=o(),R=(0,D.useRef)(T),z=(0,D.useRef)(s);z.current=s,(0,D.useEffect)(()=>{if(!_.current)return;let{text:t,close:r}=$(e.note_content??``);R.current=r;let a=()=>{I(!s.state.doc.toString().trim()),M(``),S.edited(()=>s.state.doc.toString()),z.current(()=>({note_content:R.current(s.state.doc.toString())}))},o=h(l).editorLabel,s=n(_.current,{text:t,label:o,readOnly:i,extensions:ge(),onEdit:a});return x.current=s,S.open(()=>s.state.doc.toString()),()=>{S.close(),s.destroy()}},[S,i]),(0,D.useImperativeHandle)(d,()=>({show(e){let t=x.current;if(e.note_content===void 0||!t)return;let{text:n,close:r}=$(e.note_content??``);R.current=r,a(t,n),I(!n.trim()),S.edited(()=>t.state.doc.toString())}}),[S]),(0,D.useEffect)(()=>S.wear(L),[S,L]),(0,D.useEffect)(()=>{let e=x.current;e&&e.dispatch(r(e.state,_e(w,e.state)))},[w]);function B(e){let t=x.current;t&&(t.dispatch({changes:{from:0,to:t.state.doc.length,insert:N[e]},userEvent:`input`}),t.focus())}let V=C?.title||document.title.replace(/ . AutoGraph$/,``)||p.untitled;function H(){let e=getComputedStyle(document.body).backgroundColor;C&&re(C,V,e).catch(()=>M(p.downloadFailed))}return(0,F.jsxs)(`div`,{className:O.code,children:[(0,F.jsxs)(g,{label:p.source,children:[(0,F.jsx)(y,{mode:k,onMode:A,labels:{group:p.shown,first:p.source,both:p.both,second:p.picture}}),f,(0,F.jsx)(te,{}),C&&!P&&(0,F.jsxs)(F.Fragment,{children:[(0,F.jsx)(b,{icon:`download`,text:p.downloadSvg,label:p.downloadAs(`SVG`),onClick:()=>ne(C,V)}),(0,F.jsx)(b,{icon:`download`,text:p.downloadPng,label:p.downloadAs(`PNG`),onClick:H})]})]}),(0,F.jsx)(ee,{mode:k,first:(0,F.jsx)(`div`,{ref:_,className:O.editor}),second:P&&!i?(0,F.jsx)(we,{onStart:B}):(0,F.jsxs)(F.Fragment,{children:[C?(0,F.jsx)(xe,{drawing:C,stale:w!==null}):(0,F.jsx)(`div`,{className:O.blank,"aria-busy":E,children:E&&p.drawing}),(0,F.jsx)(ie,{fault:w,stale:C!==null,onGo:e=>{k===`second`&&A(`both`),x.current&&t(x.current,e)},onRetry:()=>void S.refresh()})]})}),(0,F.jsx)(`p`,{className:O.notice,role:`status`,children:j})]})}function we({onStart:e}){let t=m(l);return(0,F.jsxs)(`section`,{className:O.start,"aria-label":t.startFrom,children:[(0,F.jsx)(`h2`,{children:t.startFrom}),(0,F.jsx)(`p`,{children:t.startHint}),(0,F.jsx)(`div`,{className:O.examples,children:Se.map(n=>(0,F.jsxs)(`button`,{type:`button`,onClick:()=>e(n),children:[(0,F.jsx)(`strong`,{children:t.example[n]}),(0,F.jsx)(`code`,{children:N[n].split(`
`)[0]})]},n))})]})}export{Ce as default};