/**
 * What the page of a diagram and its editors (canvas, code, note, mixed) know of each other. An editor shows content and
 * tells of edits; when and how they reach the server is no matter of its own (saving/, and later a live session).
 */
import type { ComponentType, Ref } from "react"

/** An Excalidraw scene as it is stored. What we do not know at its top level stays in it. */
export type Scene = { [key: string]: unknown }

/** The parts of a diagram that editors change. A part that is absent is left as it is; null removes it. */
export type Content = { canvas_data?: Scene | null; note_content?: string | null }

/**
 * - `clean`: the server has it.
 * - `dirty`: edited, and not yet sent.
 * - `saving`: a request is on its way.
 * - `conflict`: somebody else changed the same text; a person decides.
 * - `offline`: could not be sent; sent again by itself.
 * - `refused`: the server does not take it; an edit or a person's choice goes on.
 */
export type Saving = "clean" | "dirty" | "saving" | "conflict" | "offline" | "refused"

export type Editor = {
  /**
   * Put *content* in the place of what is shown, without telling of an edit: somebody else's changes, or a merge of them
   * with one's own. Undo, selection and scroll stay where that can be. Parts that are absent stay as they are.
   */
  show(content: Content): void
}

export type EditorProps = {
  id: string
  /** What to start with; read once. Later content comes by `show`. */
  initial: Content
  readOnly: boolean
  state: Saving
  /**
   * Called at each edit, so it is cheap: *content* is called when a draft is written, perhaps after further edits, and
   * gives the parts that this editor edits as they are at that time.
   */
  onEdit(content: () => Content): void
  ref: Ref<Editor>
}

/** The default export of `canvas/Canvas.tsx`, `code/Code.tsx`, `note/Note.tsx` and `mixed/Mixed.tsx`, each loaded lazily. */
export type EditorComponent = ComponentType<EditorProps>
