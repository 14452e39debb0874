/** Which editor opens a diagram. Each is loaded when it is needed. */
import { lazy } from "react"
import type { EditorComponent } from "./editor.ts"

type Kind = "canvas" | "code" | "mixed" | "note"
type Opened = { type: "canvas" | "note" | "mixed"; note_content: string | null }

const modules = import.meta.glob<{ default: EditorComponent }>([
  "./canvas/Canvas.tsx",
  "./mixed/Mixed.tsx",
  "./note/Note.tsx",
])

function editor(path: string) {
  return lazy(modules[path] ?? (() => Promise.reject(new Error(`There is no ${path}`))))
}

export const EDITORS: Record<Kind, EditorComponent> = {
  canvas: editor("./canvas/Canvas.tsx"),
  code: editor("./note/Note.tsx"), // which shows the code editor, with a switch to the text
  mixed: editor("./mixed/Mixed.tsx"),
  note: editor("./note/Note.tsx"),
}

/** A note that is one fenced block of a diagram language is its source. */
const ONE_BLOCK = /^\s*(`{3,})mermaid[^\S\n]*\n(?:(?!\1)[^\n]*\n)*?\1\s*$/

export function kindOf({ type, note_content }: Opened): Kind {
  if (type === "note" && ONE_BLOCK.test((note_content ?? "").replace(/\r\n?/g, "\n"))) return "code"
  return type
}
