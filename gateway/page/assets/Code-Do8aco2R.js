import{i as e}from"./rolldown-runtime-COiEfhsA.js";import{a as t,c as n,i as r,l as i,n as a,o,r as s,s as c,t as l}from"./NoteEditor-De-aMp69.js";import{i as u,t as d}from"./react-C-U61RdZ.js";import{v as f,y as p}from"./index-Co-SJPUw.js";import{n as m,t as h}from"./pageTheme-DJmLxAIp.js";import{a as g,c as _,i as v,n as y,o as b,r as ee,s as te}from"./sentences-Cb1wuzDg.js";import{i as x,n as S}from"./Workspace-BOtZl0Q6.js";import{o as C,t as w}from"./dist-e-3etGXy.js";import{H as T,s as E}from"./dist-CSXtTvL4.js";import{n as D,t as O}from"./source-CPECXv7l.js";var k=e(u(),1),A={code:`_code_1xmch_1`,editor:`_editor_1xmch_10`,blank:`_blank_1xmch_14`,start:`_start_1xmch_21`,examples:`_examples_1xmch_34`,notice:`_notice_1xmch_60`},j=2,M=8192;function ne(e,t){S(x(t,`svg`),new Blob([e.svg],{type:`image/svg+xml`}))}async function re(e,t,n){let r=new Image;r.src=`data:image/svg+xml;charset=utf-8,${encodeURIComponent(e.svg)}`,await r.decode();let i=Math.min(j,M/Math.max(e.width,e.height)),a=document.createElement(`canvas`);a.width=Math.ceil(e.width*i),a.height=Math.ceil(e.height*i);let o=a.getContext(`2d`);if(!o)throw Error(`This browser has no canvas`);o.fillStyle=n,o.fillRect(0,0,a.width,a.height),o.drawImage(r,0,0,a.width,a.height);let s=await new Promise(e=>a.toBlob(e,`image/png`));if(!s)throw Error(`This browser made no PNG`);S(x(t,`png`),s)}var N={flow:`flowchart TD
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
`},P={line:`_line_7gbt8_1`,text:`_text_7gbt8_22`,badge:`_badge_7gbt8_27`},F=d();function ie(e){let{fault:n,stale:i,onGo:a,onRetry:o}=e,s=p(t),c=n?.place?.line;return(0,F.jsx)(`div`,{className:P.line,role:`status`,children:n&&(0,F.jsxs)(F.Fragment,{children:[(0,F.jsx)(_,{name:`warning`}),i&&(0,F.jsx)(`span`,{className:P.badge,children:s.stale}),(0,F.jsx)(`span`,{className:P.text,children:r(n)}),c!==void 0&&(0,F.jsx)(`button`,{type:`button`,"aria-label":s.goTo(c),onClick:()=>a(c),children:s.line(c)}),n.kind===`unavailable`&&(0,F.jsx)(`button`,{type:`button`,onClick:o,children:s.retry})]})})}var I=[`accTitle`,`accDescr`,`title`],L=`subgraph end direction click style linkStyle classDef class TB TD BT LR RL`,R={flowchart:L,graph:L,sequenceDiagram:`participant actor as create destroy activate deactivate autonumber note Note over left right of loop alt else opt par and critical option break rect end box links`,classDiagram:`class namespace direction note for link callback click style classDef cssClass interface abstract enumeration TB TD BT LR RL`,"stateDiagram-v2":`state as note end left right of direction classDef class fork join choice TB TD BT LR RL`,erDiagram:`PK FK UK direction style classDef class TB BT LR RL string int float boolean date`,gantt:`dateFormat axisFormat tickInterval excludes includes weekday weekend todayMarker section done active crit milestone vert after until`,mindmap:``,gitGraph:`commit branch checkout switch merge cherry-pick id tag type order NORMAL REVERSE HIGHLIGHT`,pie:`showData`,journey:`section`,timeline:`section`,quadrantChart:`x-axis y-axis quadrant-1 quadrant-2 quadrant-3 quadrant-4`,requirementDiagram:`requirement functionalRequirement interfaceRequirement performanceRequirement physicalRequirement designConstraint element id text risk verifymethod type docref contains copies derives satisfies verifies refines traces low medium high analysis inspection test demonstration`,C4Context:`Person Person_Ext System System_Ext Boundary Enterprise_Boundary System_Boundary Rel BiRel UpdateRelStyle`,"xychart-beta":`x-axis y-axis bar line horizontal`,"sankey-beta":``,"block-beta":`columns block end space style classDef class`,"packet-beta":``,"architecture-beta":`group service junction in align L R T B cloud database disk internet server`,kanban:``,"radar-beta":`axis curve max min ticks graticule showLegend`,"treemap-beta":`classDef`},z={stateDiagram:`stateDiagram-v2`,"classDiagram-v2":`classDiagram`},B=Object.keys(R);function V(e){return[...(R[z[e]??e]??``).split(` `).filter(Boolean),...I]}function H(e){let t=e.replace(/^\s*---\n[\s\S]*?\n---\n/,``).replace(/%%\{[\s\S]*?\}%%|^\s*%%.*$/gm,``);return/^\s*([\w-]+)/.exec(t)?.[1]??``}var ae=5e4,oe=[[/^(flowchart|graph)$/,`subgraph`,`subgraph #{name}
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
  #{task} :#{id}, #{2026-01-01}, #{5d}`]],se=e=>oe.filter(([t])=>t.test(e)).map(([,e,t])=>C(t,{label:e,detail:`…`,boost:2}));function ce(e,t,n){let r=new Set([...n,...B]),i=new Set;for(let{0:n,index:a}of e.slice(0,ae).matchAll(/[\p{L}_][\p{L}\p{N}_]+/gu))a!==t&&!r.has(n)&&i.add(n);return[...i]}var U=e=>{let t=e.matchBefore(/[\p{L}_][\p{L}\p{N}_-]*/u);if(!t&&!e.explicit)return null;let n=t?.from??e.pos,r=e.state.doc.toString(),i=r.slice(0,n),a=/^[\p{L}\p{N}_-]*$/u;if(!H(i))return{from:n,validFor:a,options:B.map(e=>({label:e,type:`type`}))};let o=H(r),s=V(o),c=se(o);return{from:n,validFor:a,options:[...c,...s.filter(e=>!c.some(({label:t})=>t===e)).map(e=>({label:e,type:`keyword`})),...ce(r,n,s).map(e=>({label:e,type:`variable`,boost:1}))]}},W=/^(sequenceDiagram|stateDiagram|classDiagram|erDiagram|timeline)/,le=/^(flowchart|graph|mindmap|block-beta|kanban|architecture-beta)/;function G(e,t){return t.inside===`directive`?e.skipTo(`}%%`)&&e.match(`}%%`)?t.inside=null:e.skipToEnd():(e.sol()&&e.match(/^\s*---\s*$/,!1)&&(t.inside=null),e.skipToEnd()),`meta`}function ue(e,t){return e.match(`%%{`)?(t.inside=`directive`,G(e,t)):e.match(`%%`)?(e.skipToEnd(),`comment`):!t.begun&&e.sol()&&e.match(/^---\s*$/)?(t.inside=`front matter`,`meta`):null}function de(e,t){return e.begun=!0,e.kind=t,e.words=new Set(V(t)),`typeName`}function fe(e,{begun:t,kind:n}){return e.match(/^"[^"]*"?/)?!0:t&&W.test(n)&&e.match(/^:(?!:)\s*/)?(e.skipToEnd(),!0):le.test(n)&&!!e.match(/^[[({>]+[^[\](){}"\n]*[\])}]+/)}function pe(e,t){let n=e.match(/^[\p{L}_][\p{L}\p{N}_]*(?:-[\p{L}\p{N}]+)*/u);return!n||n===!0?null:t.begun?t.words.has(n[0])?`keyword`:`variableName`:de(t,n[0])}function me(e,t){if(t.inside)return G(e,t);if(e.eatSpace())return null;let n=ue(e,t);if(n)return n;if(fe(e,t))return`string`;if(e.match(/^[ox<*|}]*(?:--|==|-[.>x)]|\.\.|~~)[-=.~>|ox*{)]*|^[<>|&]+|^:::/))return`operator`;if(e.match(/^#?\d[\w.-]*/))return`number`;let r=pe(e,t);return r||e.next(),r}var he=E.define({name:`mermaid`,startState:()=>({kind:``,words:new Set,inside:null,begun:!1}),copyState:e=>({...e}),token:me,languageData:{commentTokens:{line:`%%`},closeBrackets:{brackets:[`(`,`[`,`{`,`"`]}}}),ge=()=>[T(),n(),he,w({override:[U],icons:!1})];function _e(e,{doc:t}){if(!e?.place)return[];let n=t.line(Math.max(1,Math.min(e.place.line,t.lines))),i=Math.min(n.from+e.place.column,n.to);return[{from:i,to:Math.min(i+e.place.length,n.to),severity:`error`,message:r(e)}]}var K={view:`_view_1ij8f_1`,box:`_box_1ij8f_9`,stale:`_stale_1ij8f_30`,controls:`_controls_1ij8f_33`,percent:`_percent_1ij8f_59`},q=.05,ve=8;function J(e,t){let n={width:Math.max(1,t.width-48),height:Math.max(1,t.height-48)},r=Math.max(q,Math.min(1,n.width/e.width,n.height/e.height));return{scale:r,x:(t.width-e.width*r)/2,y:(t.height-e.height*r)/2}}var Y=({scale:e,x:t,y:n},r,i)=>({scale:e,x:t+r,y:n+i});function X({scale:e,x:t,y:n},r,i,a){let o=Math.min(ve,Math.max(q,e*r)),s=o/e;return{scale:o,x:i-(i-t)*s,y:a-(a-n)*s}}var Z=1.25,Q=60,ye={ArrowLeft:e=>Y(e,Q,0),ArrowRight:e=>Y(e,-60,0),ArrowUp:e=>Y(e,0,Q),ArrowDown:e=>Y(e,0,-60),"+":(e,t)=>X(e,Z,t.width/2,t.height/2),"-":(e,t)=>X(e,1/Z,t.width/2,t.height/2)};function be(e){let[t,n]=(0,k.useState)({width:0,height:0});return(0,k.useLayoutEffect)(()=>{let t=e.current;if(!t)return;let r=()=>n({width:t.clientWidth,height:t.clientHeight}),i=new ResizeObserver(r);return i.observe(t),r(),()=>i.disconnect()},[e]),t}function xe({drawing:e,stale:n}){let r=p(t),i=(0,k.useRef)(null),o=be(i),[s,c]=(0,k.useState)(null),l=s??J(e,o),u=(0,k.useRef)(new Map),d=e=>c(X(l,e,o.width/2,o.height/2)),f=(0,k.useRef)(e=>{});f.current=e=>c(e(l)),(0,k.useEffect)(()=>{let e=i.current,t=t=>{t.preventDefault();let{left:n,top:r}=e?.getBoundingClientRect()??{left:0,top:0};f.current(e=>t.ctrlKey||t.metaKey?X(e,Math.exp(-t.deltaY/200),t.clientX-n,t.clientY-r):Y(e,-t.deltaX,-t.deltaY))};return e?.addEventListener(`wheel`,t,{passive:!1}),()=>e?.removeEventListener(`wheel`,t)},[]);function m(e){e.currentTarget.setPointerCapture(e.pointerId),u.current.set(e.pointerId,{x:e.clientX,y:e.clientY})}function h(e){let t=u.current.get(e.pointerId);if(!t)return;let n={x:e.clientX,y:e.clientY},r=[...u.current].find(([t])=>t!==e.pointerId)?.[1];if(u.current.set(e.pointerId,n),!r)return c(Y(l,n.x-t.x,n.y-t.y));let{left:i,top:a}=e.currentTarget.getBoundingClientRect(),o=e=>Math.hypot(e.x-r.x,e.y-r.y)||1;c(X(l,o(n)/o(t),(n.x+r.x)/2-i,(n.y+r.y)/2-a))}let g=e=>u.current.delete(e.pointerId);function v(e){if(e.ctrlKey||e.metaKey||e.altKey)return;let t=ye[e.key===`=`?`+`:e.key];if(e.key===`0`)c(null);else if(t)c(t(l,o));else return;e.preventDefault()}let y=[e.title,e.description].filter(Boolean).join(`. `)||`${r.picture}: ${e.type}`;return(0,F.jsxs)(`div`,{className:K.view,children:[(0,F.jsx)(`section`,{ref:i,className:K.box,tabIndex:0,"aria-label":r.pictureHelp,onKeyDown:v,onPointerDown:m,onPointerMove:h,onPointerUp:g,onPointerCancel:g,children:(0,F.jsx)(`img`,{className:n?K.stale:void 0,src:a(e),alt:y,draggable:!1,style:{width:e.width*l.scale,height:e.height*l.scale,transform:`translate(${l.x}px, ${l.y}px)`}})}),(0,F.jsxs)(`div`,{className:K.controls,children:[(0,F.jsx)(`button`,{type:`button`,"aria-label":r.zoomOut,title:r.zoomOut,onClick:()=>d(1/Z),children:(0,F.jsx)(_,{name:`minus`})}),(0,F.jsxs)(`button`,{type:`button`,className:K.percent,"aria-label":r.actualSize,title:r.actualSize,onClick:()=>d(1/l.scale),children:[Math.round(l.scale*100),` %`]}),(0,F.jsx)(`button`,{type:`button`,"aria-label":r.zoomIn,title:r.zoomIn,onClick:()=>d(Z),children:(0,F.jsx)(_,{name:`plus`})}),(0,F.jsx)(`button`,{type:`button`,"aria-label":r.fit,title:r.fit,onClick:()=>c(null),children:(0,F.jsx)(_,{name:`fit`})})]})]})}var Se=Object.keys(N).filter(e=>e in N);function $(e){let t=D(e);return t===null&&e.trim()?{text:e,close:e=>e}:{text:t??``,close:O}}function Ce({initial:e,readOnly:n,onEdit:r,ref:a,menu:u}){let d=p(t),_=(0,k.useRef)(null),x=(0,k.useRef)(null),[S]=(0,k.useState)(()=>new l(h())),{drawing:C,fault:w,waiting:T}=(0,k.useSyncExternalStore)(S.subscribe,S.current),[E,D]=v(`code`),[j,M]=(0,k.useState)(``),[P,I]=(0,k.useState)(()=>!$(e.note_content??``).text.trim()),L=m(),R=(0,k.useRef)(O),z=(0,k.useRef)(r);z.current=r,(0,k.useEffect)(()=>{if(!_.current)return;let{text:r,close:i}=$(e.note_content??``);R.current=i;let a=()=>{I(!c.state.doc.toString().trim()),M(``),S.edited(()=>c.state.doc.toString()),z.current(()=>({note_content:R.current(c.state.doc.toString())}))},s=f(t).editorLabel,c=o(_.current,{text:r,label:s,readOnly:n,extensions:ge(),onEdit:a});return x.current=c,S.open(()=>c.state.doc.toString()),()=>{S.close(),c.destroy()}},[S,n]),(0,k.useImperativeHandle)(a,()=>({show(e){let t=x.current;if(e.note_content===void 0||!t)return;let{text:n,close:r}=$(e.note_content??``);R.current=r,c(t,n),I(!n.trim()),S.edited(()=>t.state.doc.toString())}}),[S]),(0,k.useEffect)(()=>S.wear(L),[S,L]),(0,k.useEffect)(()=>{let e=x.current;e&&e.dispatch(i(e.state,_e(w,e.state)))},[w]);function B(e){let t=x.current;t&&(t.dispatch({changes:{from:0,to:t.state.doc.length,insert:N[e]},userEvent:`input`}),t.focus())}let V=C?.title||document.title.replace(/ . AutoGraph$/,``)||d.untitled;function H(){let e=getComputedStyle(document.body).backgroundColor;C&&re(C,V,e).catch(()=>M(d.downloadFailed))}return(0,F.jsxs)(`div`,{className:A.code,children:[(0,F.jsxs)(g,{label:d.source,children:[(0,F.jsx)(y,{mode:E,onMode:D,labels:{group:d.shown,first:d.source,both:d.both,second:d.picture}}),u,(0,F.jsx)(te,{}),C&&!P&&(0,F.jsxs)(F.Fragment,{children:[(0,F.jsx)(b,{icon:`download`,text:d.downloadSvg,label:d.downloadAs(`SVG`),onClick:()=>ne(C,V)}),(0,F.jsx)(b,{icon:`download`,text:d.downloadPng,label:d.downloadAs(`PNG`),onClick:H})]})]}),(0,F.jsx)(ee,{mode:E,first:(0,F.jsx)(`div`,{ref:_,className:A.editor}),second:P&&!n?(0,F.jsx)(we,{onStart:B}):(0,F.jsxs)(F.Fragment,{children:[C?(0,F.jsx)(xe,{drawing:C,stale:w!==null}):(0,F.jsx)(`div`,{className:A.blank,"aria-busy":T,children:T&&d.drawing}),(0,F.jsx)(ie,{fault:w,stale:C!==null,onGo:e=>{E===`second`&&D(`both`),x.current&&s(x.current,e)},onRetry:()=>void S.refresh()})]})}),(0,F.jsx)(`p`,{className:A.notice,role:`status`,children:j})]})}function we({onStart:e}){let n=p(t);return(0,F.jsxs)(`section`,{className:A.start,"aria-label":n.startFrom,children:[(0,F.jsx)(`h2`,{children:n.startFrom}),(0,F.jsx)(`p`,{children:n.startHint}),(0,F.jsx)(`div`,{className:A.examples,children:Se.map(t=>(0,F.jsxs)(`button`,{type:`button`,onClick:()=>e(t),children:[(0,F.jsx)(`strong`,{children:n.example[t]}),(0,F.jsx)(`code`,{children:N[t].split(`
`)[0]})]},t))})]})}export{Ce as default};