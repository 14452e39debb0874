/** A canvas and a note of the same diagram, saved as one: side by side, or one at a time. */
import { lazy, Suspense, useImperativeHandle, useRef, useState } from "react"
import { useSentences } from "../../i18n/catalogue.ts"
import { Bar } from "../code/Bar.tsx"
import { PaneSwitch, Panes } from "../code/Panes.tsx"
import { usePaneMode } from "../code/paneMode.ts"
import type { Content, Editor, EditorProps } from "../editor.ts"
import { note } from "../note/sentences.ts"
import styles from "./Mixed.module.css"

const Canvas = lazy(() => import("../canvas/Canvas.tsx"))
const NoteEditor = lazy(() => import("../note/NoteEditor.tsx"))

type Part = () => Content
const unedited: Part = () => ({})

export default function Mixed({ initial, onEdit, ref, ...rest }: EditorProps) {
  const said = useSentences(note)
  const [mode, setMode] = usePaneMode("mixed")
  const [start, setStart] = useState(initial)
  const canvas = useRef<Editor>(null)
  const text = useRef<Editor>(null)
  const parts = useRef({ canvas: unedited, note: unedited })

  useImperativeHandle(
    ref,
    () => ({
      show(content) {
        setStart((start) => ({ ...start, ...content })) // for a part that is still being loaded
        canvas.current?.show(content)
        text.current?.show(content)
      },
    }),
    [],
  )

  const edited = (part: "canvas" | "note") => (content: Part) => {
    parts.current[part] = content
    onEdit(() => ({ ...parts.current.canvas(), ...parts.current.note() }))
  }

  return (
    <div className={styles.mixed}>
      <Bar label={said.shown}>
        <PaneSwitch
          mode={mode}
          onMode={setMode}
          labels={{ group: said.shown, first: said.canvas, both: said.both, second: said.noteTab }}
        />
      </Bar>
      <Panes
        mode={mode}
        first={
          <Suspense fallback={null}>
            <Canvas {...rest} initial={start} ref={canvas} onEdit={edited("canvas")} />
          </Suspense>
        }
        second={
          <Suspense fallback={null}>
            <NoteEditor {...rest} initial={start} ref={text} onEdit={edited("note")} />
          </Suspense>
        }
      />
    </div>
  )
}
