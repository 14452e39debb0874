import{r as e,t}from"./chunk-SHT3W25Y-Bly5hZyo.js";import"./chunk-POPQ4Y6H-DnzP4JUG.js";import"./frame-BtRUzH6K.js";import"./chunk-F27PBJKO-DVt0G4-B.js";import"./chunk-GVQU2GXP-BO--RB1s.js";import"./chunk-4HAMMTFA-CIkRSiN0.js";import"./chunk-P2QGCYS3-kfaT2fs7.js";import"./chunk-GMAD6QVW-CSh_DMvo.js";import"./chunk-PWAF6VOD-B1Vy2mlG.js";import"./chunk-75Z2AOVW-D2YaIfu2.js";import"./chunk-DU6HZSFF-4XxttsRN.js";import"./d3-selection-COWvaQNI.js";import{n}from"./chunk-Y2CYZVJY-DsF7k-Jl.js";var r=t({defaultLayout:`swimlane`,styles:n(t=>`${e(t)}
  .swimlane.cluster rect {
    stroke: ${t.clusterBorder} !important;
  }
  [data-look="neo"].cluster rect {
    filter: none;
  }
`,`getStyles`)});export{r as diagram};