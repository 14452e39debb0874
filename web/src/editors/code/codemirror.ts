/**
 * CodeMirror in a shadow root: there it styles itself with constructed sheets, which the page's policy need not allow. The
 * variables of the page's theme reach into it, so that it follows light and dark by itself.
 */
import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete"
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands"
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language"
import { lintKeymap } from "@codemirror/lint"
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search"
import { EditorState, type Extension, Transaction } from "@codemirror/state"
import { drawSelection, dropCursor, EditorView, highlightActiveLine, keymap } from "@codemirror/view"
import { tags } from "@lezer/highlight"
import { language } from "../../i18n/language.ts"
import { phrases } from "./phrases.ts"

const theme = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "transparent", fontSize: "14px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-code)", lineHeight: "1.6", overscrollBehavior: "contain" },
  ".cm-content": { padding: "12px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 16px 0 12px" },
  ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--text)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--selection, light-dark(#d9d7fb, #3b3a75))",
  },
  ".cm-activeLine": { backgroundColor: "light-dark(rgb(79 70 229 / 4%), rgb(143 139 255 / 7%))" },
  ".cm-activeLineGutter": { backgroundColor: "transparent", color: "var(--text)" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--text-soft)", border: "none", paddingLeft: "4px" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    backgroundColor: "var(--accent-soft)",
    outline: "1px solid var(--accent)",
  },
  ".cm-selectionMatch": { backgroundColor: "var(--accent-soft)" },
  ".cm-searchMatch": { backgroundColor: "light-dark(#fff1b8, #5a4a12)" },
  ".cm-searchMatch-selected": { backgroundColor: "light-dark(#ffd75e, #8a7016)" },
  ".cm-placeholder": { color: "var(--text-soft)" },
  ".cm-tooltip, .cm-panels": {
    backgroundColor: "var(--surface-raised)",
    color: "var(--text)",
    border: "1px solid var(--border)",
    borderRadius: "6px",
    boxShadow: "var(--shadow)",
    font: "13px/1.4 var(--font)",
  },
  ".cm-panels": { borderRadius: "0", borderWidth: "1px 0 0", boxShadow: "none", padding: "4px 8px" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--font-code)", fontSize: "13px", maxHeight: "16em" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "3px 8px !important" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { background: "var(--accent-soft)", color: "var(--text)" },
  ".cm-completionDetail": { color: "var(--text-soft)", fontStyle: "normal" },
  ".cm-diagnostic": { padding: "6px 10px", borderLeft: "3px solid var(--danger)" },
  ".cm-textfield": {
    backgroundColor: "var(--surface)",
    border: "1px solid var(--border)",
    borderRadius: "4px",
    color: "var(--text)",
    padding: "4px 6px",
    fontSize: "13px",
  },
  ".cm-button": {
    backgroundImage: "none",
    backgroundColor: "var(--surface)",
    border: "1px solid var(--border)",
    borderRadius: "4px",
    color: "var(--text)",
    padding: "4px 8px",
    fontSize: "13px",
  },
  ".cm-panel.cm-search": { display: "flex", flexWrap: "wrap", alignItems: "center", gap: "4px", paddingRight: "28px" },
  ".cm-panel.cm-search br": { display: "none" },
  ".cm-panel.cm-search [name=close]": { color: "var(--text)", fontSize: "18px", right: "4px", top: "6px" },
})

// Each has a contrast of 4.5:1 at least on the surfaces of both themes.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.controlKeyword], color: "light-dark(#7a3e9d, #c9a6f5)" },
  { tag: tags.typeName, color: "light-dark(#4338ca, #a5a2ff)", fontWeight: "600" },
  { tag: tags.string, color: "light-dark(#0f6b4a, #80d4a8)" },
  { tag: tags.number, color: "light-dark(#9a4a00, #f0b26b)" },
  { tag: [tags.operator, tags.processingInstruction, tags.contentSeparator], color: "light-dark(#6b7280, #9aa3b2)" },
  { tag: [tags.comment, tags.meta, tags.quote], color: "light-dark(#5f6775, #98a1b0)", fontStyle: "italic" },
  { tag: [tags.link, tags.url, tags.labelName], color: "light-dark(#0b5cad, #7fb8ff)" },
  { tag: tags.monospace, color: "light-dark(#9a4a00, #f0b26b)" },
  { tag: tags.heading, fontWeight: "700" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
])

export type EditorOptions = {
  text: string
  /** The name that a screen reader says. */
  label: string
  readOnly: boolean
  extensions: Extension
  onEdit: () => void
}

export function createEditor(host: HTMLElement, options: EditorOptions): EditorView {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open", delegatesFocus: true })
  const parent = document.createElement("div")
  parent.style.height = "100%"
  root.replaceChildren(parent)
  const state = EditorState.create({ doc: options.text, extensions: [options.extensions, common(options)] })
  return new EditorView({ parent, root, state })
}

function common({ label, readOnly, onEdit }: EditorOptions): Extension {
  return [
    history(),
    drawSelection(),
    dropCursor(),
    indentOnInput(),
    bracketMatching(),
    closeBrackets(),
    highlightActiveLine(),
    highlightSelectionMatches(),
    search({ top: false }),
    syntaxHighlighting(colours),
    // Escape, then Tab, leaves the editor: CodeMirror lets the next Tab pass. The description says so.
    keymap.of([
      ...closeBracketsKeymap,
      ...defaultKeymap,
      ...historyKeymap,
      ...searchKeymap,
      ...completionKeymap,
      ...lintKeymap,
      indentWithTab,
    ]),
    EditorView.lineWrapping,
    EditorState.phrases.of(phrases(language.get())),
    EditorState.readOnly.of(readOnly),
    EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", autocapitalize: "off" }),
    theme,
    EditorView.updateListener.of((update) => {
      if (!update.docChanged) return
      if (update.transactions.every((each) => each.annotation(Transaction.remote))) return
      onEdit()
    }),
  ]
}

/** Put *text* in the place of the view's, as somebody else's change: it is not an edit, and undo does not take it back. */
export function replaceText(view: EditorView, text: string): void {
  const before = view.state.doc.toString()
  if (before === text) return
  const most = Math.min(before.length, text.length)
  let start = 0
  while (start < most && before[start] === text[start]) start += 1
  let end = 0
  while (end < most - start && before.at(-1 - end) === text.at(-1 - end)) end += 1
  view.dispatch({
    changes: { from: start, to: before.length - end, insert: text.slice(start, text.length - end) },
    annotations: [Transaction.remote.of(true), Transaction.addToHistory.of(false)],
  })
}
