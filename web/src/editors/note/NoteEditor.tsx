/** The note editor: Markdown beside what it looks like. */
import type { EditorView } from "@codemirror/view"
import { type ReactNode, useEffect, useImperativeHandle, useRef, useState } from "react"
import { sentences, useSentences } from "../../i18n/catalogue.ts"
import { Bar, BarButton, BarGap } from "../code/Bar.tsx"
import { createEditor, replaceText } from "../code/codemirror.ts"
import { goToLine } from "../code/goToLine.ts"
import { PaneSwitch, Panes } from "../code/Panes.tsx"
import { usePaneMode } from "../code/paneMode.ts"
import type { EditorProps } from "../editor.ts"
import { FormatButtons } from "./FormatButtons.tsx"
import { markdownExtensions } from "./markdownEditing.ts"
import styles from "./NoteEditor.module.css"
import { Outline } from "./Outline.tsx"
import { Preview, type PreviewHandle } from "./Preview.tsx"
import { note } from "./sentences.ts"
import { toggle } from "./tasks.ts"
import { countWords, useParsed } from "./useParsed.ts"
import { useScrollInStep } from "./useScrollInStep.ts"

const WORDS_A_MINUTE = 220

type Props = EditorProps & {
  /** Further controls, which may depend on the text as it is when typing pauses. */
  menu?: (text: string) => ReactNode
}

export default function NoteEditor({ initial, readOnly, onEdit, ref, menu }: Props) {
  const said = useSentences(note)
  const host = useRef<HTMLDivElement>(null)
  const shown = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(null)
  const preview = useRef<PreviewHandle>(null)
  const [parsed, edited] = useParsed(initial.note_content ?? "")
  const [mode, setMode] = usePaneMode(readOnly ? "note.read" : "note")
  const [outline, setOutline] = useState(false)
  const [notice, setNotice] = useState("")
  const tell = useRef(onEdit)
  tell.current = onEdit
  const scroll = useScrollInStep(view, preview)

  // biome-ignore lint/correctness/useExhaustiveDependencies: the content to start with is read once
  useEffect(() => {
    if (!host.current) return
    const text = () => made.state.doc.toString()
    const made = createEditor(host.current, {
      text: initial.note_content ?? "",
      label: sentences(note).editorLabel,
      readOnly,
      extensions: markdownExtensions(() => setNotice(sentences(note).noPictures)),
      onEdit: () => {
        edited(text)
        setNotice("")
        tell.current(() => ({ note_content: text() }))
      },
    })
    view.current = made
    const stop = scroll.attach(made, host.current, shown.current)
    return () => {
      stop()
      made.destroy()
    }
  }, [readOnly, edited])

  // Stable, since the saver takes an editor that is given to it as one that has just come.
  useImperativeHandle(
    ref,
    () => ({
      show(content) {
        const now = view.current
        if (content.note_content === undefined || !now) return
        replaceText(now, content.note_content ?? "")
        edited(() => now.state.doc.toString())
      },
    }),
    [edited],
  )

  function tick(number: number) {
    const now = view.current
    if (!now || number >= now.state.doc.lines) return
    const line = now.state.doc.line(number + 1)
    const change = toggle(line.text)
    if (!change) return
    const from = line.from + change.at
    now.dispatch({ changes: { from, to: from + 1, insert: change.insert }, userEvent: "input" })
  }

  function jump(line: number) {
    preview.current?.showLine(line)
    if (view.current && mode !== "second") goToLine(view.current, line + 1)
  }

  const words = countWords(parsed.text)
  return (
    <div className={styles.note}>
      <Bar label={said.toolbar}>
        <PaneSwitch
          mode={mode}
          onMode={setMode}
          labels={{ group: said.shown, first: said.source, both: said.both, second: said.preview }}
        />
        {!readOnly && mode !== "second" && <FormatButtons run={(command) => view.current && command(view.current)} />}
        <BarGap />
        {menu?.(parsed.text)}
        <BarButton icon="outline" label={said.outline} pressed={outline} onClick={() => setOutline(!outline)} />
      </Bar>
      <div className={styles.body}>
        <Panes
          mode={mode}
          first={<div ref={host} className={styles.editor} />}
          second={
            <div ref={shown} className={styles.preview}>
              <Preview
                ref={preview}
                parsed={parsed}
                onTick={readOnly ? null : tick}
                onScroll={scroll.previewScrolled}
              />
            </div>
          }
        />
        {outline && <Outline headings={parsed.headings} onJump={jump} />}
      </div>
      <footer className={styles.foot}>
        <span role="status">{notice}</span>
        <span>{said.words(words)}</span>
        {words >= WORDS_A_MINUTE && <span>{said.minutes(Math.round(words / WORDS_A_MINUTE))}</span>}
      </footer>
    </div>
  )
}
