import{r as e,t}from"./chunk-SHT3W25Y-B1rpjcxt.js";import"./chunk-POPQ4Y6H-CN4-BnoD.js";import"./frame-B3oWWELR.js";import"./chunk-F27PBJKO-BxHJtkBb.js";import"./chunk-GVQU2GXP-Dzhpuyfy.js";import"./chunk-4HAMMTFA-BY6XxhT8.js";import"./chunk-P2QGCYS3-21r5Vpjd.js";import"./chunk-GMAD6QVW-D6g_6VDb.js";import"./chunk-PWAF6VOD-DccsuzX7.js";import"./chunk-75Z2AOVW-DA4Ytlf7.js";import"./chunk-DU6HZSFF-Cax25O0s.js";import"./d3-selection-0IvC3OnK.js";import{n}from"./chunk-Y2CYZVJY-DsF7k-Jl.js";var r=t({defaultLayout:`swimlane`,styles:n(t=>`${e(t)}
  .swimlane.cluster rect {
    stroke: ${t.clusterBorder} !important;
  }
  [data-look="neo"].cluster rect {
    filter: none;
  }
`,`getStyles`)});export{r as diagram};