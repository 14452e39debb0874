/** Which editor opens a diagram. Each is loaded when it is needed. */
import { lazy } from "react"
import { sourceIn } from "./code/source.ts"
import type { EditorComponent } from "./editor.ts"

type Kind = "canvas" | "code" | "mixed" | "note"
type Opened = { type: "canvas" | "note" | "mixed"; note_content: string | null }

const Note = lazy(() => import("./note/Note.tsx"))

export const EDITORS: Record<Kind, EditorComponent> = {
  canvas: lazy(() => import("./canvas/Canvas.tsx")),
  code: Note, // which shows the code editor, with a switch to the text
  mixed: lazy(() => import("./mixed/Mixed.tsx")),
  note: Note,
}

export function kindOf({ type, note_content }: Opened): Kind {
  if (type === "note" && sourceIn(note_content ?? "") !== null) return "code"
  return type
}
