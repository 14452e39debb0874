/** CodeMirror's view of two texts side by side, in a shadow root, where it styles itself without the page's policy. */
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands"
import { MergeView } from "@codemirror/merge"
import { EditorState, type Extension } from "@codemirror/state"
import { EditorView, keymap, lineNumbers } from "@codemirror/view"

const theme = EditorView.theme({
  "&": { color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "13px" },
  ".cm-content": { fontFamily: "var(--font-code)", caretColor: "var(--text)" },
  ".cm-gutters": { backgroundColor: "var(--surface-sunken)", color: "var(--text-soft)", border: "none" },
})

export type TextMerge = { text(): string; destroy(): void }

type Sides = { left: string; right: string; labels: [string, string]; editable: boolean }

/** *right* can be edited if *editable*; what of it was left can be taken back by the arrows between. */
export function showTexts(host: HTMLElement, { left, right, labels, editable }: Sides): TextMerge {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" })
  const fixed = [EditorState.readOnly.of(true), EditorView.editable.of(false)]
  const side = (label: string): Extension => [
    theme,
    lineNumbers(),
    EditorView.lineWrapping,
    EditorView.contentAttributes.of({ "aria-label": label }),
  ]
  const own = editable ? [history(), keymap.of([...defaultKeymap, ...historyKeymap])] : fixed
  const view = new MergeView({
    a: { doc: left, extensions: [side(labels[0]), fixed] },
    b: { doc: right, extensions: [side(labels[1]), own] },
    parent: root,
    root,
    ...(editable && { revertControls: "a-to-b" as const }),
    highlightChanges: true,
    gutter: true,
    collapseUnchanged: { margin: 3, minSize: 6 },
  })
  return { text: () => view.b.state.doc.toString(), destroy: () => view.destroy() }
}
