/** The code editor: Mermaid's source beside its picture. The source stands in the note as one fenced block. */
import { setDiagnostics } from "@codemirror/lint"
import type { EditorView } from "@codemirror/view"
import { type ReactNode, useEffect, useImperativeHandle, useRef, useState, useSyncExternalStore } from "react"
import { sentences, useSentences } from "../../i18n/catalogue.ts"
import type { EditorProps } from "../editor.ts"
import { pageTheme, usePageTheme } from "../pageTheme.ts"
import { Bar, BarButton, BarGap } from "./Bar.tsx"
import styles from "./Code.module.css"
import { createEditor, replaceText } from "./codemirror.ts"
import { downloadPng, downloadSvg } from "./download.ts"
import { EXAMPLES, type Example } from "./examples.ts"
import { FaultLine } from "./FaultLine.tsx"
import { goToLine } from "./goToLine.ts"
import { diagnosticsOf, mermaidExtensions } from "./mermaidEditing.ts"
import { PaneSwitch, Panes } from "./Panes.tsx"
import { PictureView } from "./PictureView.tsx"
import { usePaneMode } from "./paneMode.ts"
import { Previewer } from "./previewer.ts"
import { code } from "./sentences.ts"
import { noteOf, sourceIn } from "./source.ts"

const EXAMPLE_NAMES = Object.keys(EXAMPLES).filter((name): name is Example => name in EXAMPLES)

/** What the editor edits of *note*: the source of its one block; else the whole, so that nothing of it is lost. */
function opened(note: string): { text: string; close: (text: string) => string } {
  const source = sourceIn(note)
  return source === null && note.trim() ? { text: note, close: (text) => text } : { text: source ?? "", close: noteOf }
}

export default function Code({ initial, readOnly, onEdit, ref, menu }: EditorProps & { menu?: ReactNode }) {
  const said = useSentences(code)
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(null)
  const [previewer] = useState(() => new Previewer(pageTheme()))
  const { drawing, fault, waiting } = useSyncExternalStore(previewer.subscribe, previewer.current)
  const [mode, setMode] = usePaneMode("code")
  const [notice, setNotice] = useState("")
  const [empty, setEmpty] = useState(() => !opened(initial.note_content ?? "").text.trim())
  const theme = usePageTheme()
  const closing = useRef(noteOf)
  const tell = useRef(onEdit)
  tell.current = onEdit

  // biome-ignore lint/correctness/useExhaustiveDependencies: the content to start with is read once
  useEffect(() => {
    if (!host.current) return
    const { text: source, close } = opened(initial.note_content ?? "")
    closing.current = close
    const edited = () => {
      setEmpty(!made.state.doc.toString().trim())
      setNotice("")
      previewer.edited(() => made.state.doc.toString())
      tell.current(() => ({ note_content: closing.current(made.state.doc.toString()) }))
    }
    const label = sentences(code).editorLabel
    const made = createEditor(host.current, {
      text: source,
      label,
      readOnly,
      extensions: mermaidExtensions(),
      onEdit: edited,
    })
    view.current = made
    previewer.open(() => made.state.doc.toString())
    return () => {
      previewer.close()
      made.destroy()
    }
  }, [previewer, readOnly])

  // Stable, since the saver takes an editor that is given to it as one that has just come.
  useImperativeHandle(
    ref,
    () => ({
      show(content) {
        const now = view.current
        if (content.note_content === undefined || !now) return
        const { text: source, close } = opened(content.note_content ?? "")
        closing.current = close
        replaceText(now, source)
        setEmpty(!source.trim())
        previewer.edited(() => now.state.doc.toString())
      },
    }),
    [previewer],
  )

  useEffect(() => previewer.wear(theme), [previewer, theme])
  useEffect(() => {
    const now = view.current
    if (now) now.dispatch(setDiagnostics(now.state, diagnosticsOf(fault, now.state)))
  }, [fault])

  function start(example: Example) {
    const now = view.current
    if (!now) return
    now.dispatch({ changes: { from: 0, to: now.state.doc.length, insert: EXAMPLES[example] }, userEvent: "input" })
    now.focus()
  }

  const name = drawing?.title || document.title.replace(/ . AutoGraph$/, "") || said.untitled
  function png() {
    const background = getComputedStyle(document.body).backgroundColor
    if (drawing) downloadPng(drawing, name, background).catch(() => setNotice(said.downloadFailed))
  }

  return (
    <div className={styles.code}>
      <Bar label={said.source}>
        <PaneSwitch
          mode={mode}
          onMode={setMode}
          labels={{ group: said.shown, first: said.source, both: said.both, second: said.picture }}
        />
        {menu}
        <BarGap />
        {drawing && !empty && (
          <>
            <BarButton
              icon="download"
              text={said.downloadSvg}
              label={said.downloadAs("SVG")}
              onClick={() => downloadSvg(drawing, name)}
            />
            <BarButton icon="download" text={said.downloadPng} label={said.downloadAs("PNG")} onClick={png} />
          </>
        )}
      </Bar>
      <Panes
        mode={mode}
        first={<div ref={host} className={styles.editor} />}
        second={
          empty && !readOnly ? (
            <Start onStart={start} />
          ) : (
            <>
              {drawing ? (
                <PictureView drawing={drawing} stale={fault !== null} />
              ) : (
                <div className={styles.blank} aria-busy={waiting}>
                  {waiting && said.drawing}
                </div>
              )}
              <FaultLine
                fault={fault}
                stale={drawing !== null}
                onGo={(line) => {
                  if (mode === "second") setMode("both")
                  if (view.current) goToLine(view.current, line)
                }}
                onRetry={() => void previewer.refresh()}
              />
            </>
          )
        }
      />
      <p className={styles.notice} role="status">
        {notice}
      </p>
    </div>
  )
}

function Start({ onStart }: { onStart: (example: Example) => void }) {
  const said = useSentences(code)
  return (
    <section className={styles.start} aria-label={said.startFrom}>
      <h2>{said.startFrom}</h2>
      <p>{said.startHint}</p>
      <div className={styles.examples}>
        {EXAMPLE_NAMES.map((name) => (
          <button key={name} type="button" onClick={() => onStart(name)}>
            <strong>{said.example[name]}</strong>
            <code>{EXAMPLES[name].split("\n")[0]}</code>
          </button>
        ))}
      </div>
    </section>
  )
}
