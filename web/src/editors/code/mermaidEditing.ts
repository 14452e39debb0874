import { autocompletion } from "@codemirror/autocomplete"
import { type Diagnostic, lintGutter } from "@codemirror/lint"
import type { EditorState, Extension } from "@codemirror/state"
import { lineNumbers } from "@codemirror/view"
import { complete } from "./completion.ts"
import { faultText } from "./faults.ts"
import { mermaidLanguage } from "./language.ts"
import type { Fault } from "./protocol.ts"

export const mermaidExtensions = (): Extension => [
  lineNumbers(),
  lintGutter(),
  mermaidLanguage,
  autocompletion({ override: [complete], icons: false }),
]

/** A fault without a place stands under the picture only. */
export function diagnosticsOf(fault: Fault | null, { doc }: EditorState): Diagnostic[] {
  if (!fault?.place) return []
  const line = doc.line(Math.max(1, Math.min(fault.place.line, doc.lines)))
  const from = Math.min(line.from + fault.place.column, line.to)
  return [{ from, to: Math.min(from + fault.place.length, line.to), severity: "error", message: faultText(fault) }]
}
