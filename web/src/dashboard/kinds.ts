import { noteOf } from "../editors/code/source.ts"
import type { IconName } from "../ui/Icon.tsx"
import type { DiagramType } from "./filter.ts"

/** What a person can begin. Diagram code stands in a note, as its one fenced block, until it is a kind of its own. */
export const KINDS = ["canvas", "note", "mixed", "mermaid"] as const
export type Kind = (typeof KINDS)[number]

export const BEGINS: Record<Kind, { type: DiagramType; note: string | null; icon: IconName }> = {
  canvas: { type: "canvas", note: null, icon: "canvas" },
  note: { type: "note", note: "", icon: "note" },
  mixed: { type: "mixed", note: "", icon: "mixed" },
  mermaid: { type: "note", note: noteOf("flowchart LR\n  A[Start] --> B[End]"), icon: "code" },
}

export const ICONS: Record<DiagramType, IconName> = { canvas: "canvas", note: "note", mixed: "mixed" }
