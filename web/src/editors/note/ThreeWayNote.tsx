/** A note that two people changed: all that fits together is merged; a person decides on the rest, or writes what is right. */
import { getChunks, unifiedMergeView } from "@codemirror/merge"
import { EditorView } from "@codemirror/view"
import { useEffect, useRef, useState } from "react"
import { sentences, useSentences } from "../../i18n/catalogue.ts"
import { createEditor } from "../code/codemirror.ts"
import { note } from "./sentences.ts"
import { sidesOf, type TextConflict } from "./sides.ts"
import styles from "./ThreeWayNote.module.css"

function control(kind: "accept" | "reject", action: (event: MouseEvent) => void): HTMLElement {
  const button = document.createElement("button")
  button.type = "button"
  button.className = "cm-button"
  button.textContent = sentences(note)[kind === "accept" ? "takeMine" : "takeTheirs"]
  button.onmousedown = action
  button.onclick = (event) => event.detail === 0 && action(event) // by the keyboard
  return button
}

const colours = EditorView.theme({
  ".cm-changedLine": { backgroundColor: "light-dark(#e6f5ec, #17301f) !important" },
  ".cm-changedText": { background: "light-dark(#bfe6cd, #24543a) !important" },
  ".cm-deletedChunk": { backgroundColor: "light-dark(#fdecea, #3a1d1c)", padding: "2px 16px 2px 12px" },
  ".cm-deletedChunk .cm-deletedText": { background: "light-dark(#f8c9c4, #6b2b28)" },
  ".cm-chunkButtons": { insetInlineEnd: "8px", display: "flex", gap: "4px" },
  ".cm-chunkButtons button.cm-button": {
    margin: "0",
    padding: "3px 8px",
    border: "1px solid var(--border)",
    background: "var(--surface-raised)",
    color: "var(--text)",
    font: "500 12px/1.3 var(--font)",
    cursor: "pointer",
  },
})

type Props = { conflict: TextConflict; onResolve: (text: string) => void }

export function ThreeWayNote({ conflict, onResolve }: Props) {
  const said = useSentences(note)
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(null)
  const [left, setLeft] = useState(1)

  useEffect(() => {
    if (!host.current) return
    const { mine, theirs } = sidesOf(conflict)
    const made = createEditor(host.current, {
      text: mine,
      label: sentences(note).mergeLabel,
      readOnly: false,
      onEdit: () => undefined,
      extensions: [
        unifiedMergeView({ original: theirs, mergeControls: control, gutter: true, allowInlineDiffs: false }),
        colours,
        EditorView.updateListener.of(({ state }) => setLeft(getChunks(state)?.chunks.length ?? 0)),
      ],
    })
    view.current = made
    setLeft(getChunks(made.state)?.chunks.length ?? 0)
    return () => made.destroy()
  }, [conflict])

  return (
    <section className={styles.merge} aria-label={said.mergeLabel}>
      <p className={styles.legend}>
        <span className={styles.mine}>{said.mine}</span>
        <span className={styles.theirs}>{said.theirs}</span>
        <span role="status">{left === 0 ? said.decided : said.conflictsLeft(left)}</span>
        <button type="button" disabled={left > 0} onClick={() => onResolve(view.current?.state.doc.toString() ?? "")}>
          {said.useMerged}
        </button>
      </p>
      <div ref={host} className={styles.editor} />
    </section>
  )
}
