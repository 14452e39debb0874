/** The words of each kind of Mermaid diagram: for colours and completion. Where they stand is the parser's matter. */

const COMMON = ["accTitle", "accDescr", "title"]

const FLOW = "subgraph end direction click style linkStyle classDef class TB TD BT LR RL"
const WORDS: Record<string, string> = {
  flowchart: FLOW,
  graph: FLOW,
  sequenceDiagram:
    "participant actor as create destroy activate deactivate autonumber note Note over left right of loop alt else opt par and critical option break rect end box links",
  classDiagram:
    "class namespace direction note for link callback click style classDef cssClass interface abstract enumeration TB TD BT LR RL",
  "stateDiagram-v2": "state as note end left right of direction classDef class fork join choice TB TD BT LR RL",
  erDiagram: "PK FK UK direction style classDef class TB BT LR RL string int float boolean date",
  gantt:
    "dateFormat axisFormat tickInterval excludes includes weekday weekend todayMarker section done active crit milestone vert after until",
  mindmap: "",
  gitGraph: "commit branch checkout switch merge cherry-pick id tag type order NORMAL REVERSE HIGHLIGHT",
  pie: "showData",
  journey: "section",
  timeline: "section",
  quadrantChart: "x-axis y-axis quadrant-1 quadrant-2 quadrant-3 quadrant-4",
  requirementDiagram:
    "requirement functionalRequirement interfaceRequirement performanceRequirement physicalRequirement designConstraint element id text risk verifymethod type docref contains copies derives satisfies verifies refines traces low medium high analysis inspection test demonstration",
  C4Context:
    "Person Person_Ext System System_Ext Boundary Enterprise_Boundary System_Boundary Rel BiRel UpdateRelStyle",
  "xychart-beta": "x-axis y-axis bar line horizontal",
  "sankey-beta": "",
  "block-beta": "columns block end space style classDef class",
  "packet-beta": "",
  "architecture-beta": "group service junction in align L R T B cloud database disk internet server",
  kanban: "",
  "radar-beta": "axis curve max min ticks graticule showLegend",
  "treemap-beta": "classDef",
}
const SAME: Record<string, string> = { stateDiagram: "stateDiagram-v2", "classDiagram-v2": "classDiagram" }

export const KINDS = Object.keys(WORDS)

export function wordsOf(kind: string): string[] {
  const own = WORDS[SAME[kind] ?? kind] ?? ""
  return [...own.split(" ").filter(Boolean), ...COMMON]
}

/** What a diagram's first line says that it is; empty if it says nothing yet. */
export function kindOf(source: string): string {
  const without = source.replace(/^\s*---\n[\s\S]*?\n---\n/, "").replace(/%%\{[\s\S]*?\}%%|^\s*%%.*$/gm, "")
  return /^\s*([\w-]+)/.exec(without)?.[1] ?? ""
}
