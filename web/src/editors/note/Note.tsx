/** A note; one that is a single block of Mermaid and nothing else opens in the code editor, until a person asks for the text. */
import { lazy, Suspense, useImperativeHandle, useRef, useState } from "react"
import { useSentences } from "../../i18n/catalogue.ts"
import { BarButton } from "../code/Bar.tsx"
import { code } from "../code/sentences.ts"
import { sourceIn } from "../code/source.ts"
import type { Editor, EditorProps } from "../editor.ts"
import NoteEditor from "./NoteEditor.tsx"

const Code = lazy(() => import("../code/Code.tsx"))

export default function Note({ initial, onEdit, ref, ...rest }: EditorProps) {
  const said = useSentences(code)
  const newest = useRef(() => initial)
  const inner = useRef<Editor>(null)
  const [start, setStart] = useState(initial)
  const [shown, setShown] = useState(() => (sourceIn(initial.note_content ?? "") === null ? "note" : "code"))

  useImperativeHandle(
    ref,
    () => ({
      show(content) {
        if (content.note_content !== undefined) newest.current = () => content
        if (inner.current) inner.current.show(content)
        else setStart(content) // it is still being loaded
      },
    }),
    [],
  )

  function turn(to: "note" | "code") {
    setStart(newest.current())
    setShown(to)
  }

  const props: EditorProps = {
    ...rest,
    ref: inner,
    initial: start,
    onEdit(content) {
      newest.current = content
      onEdit(content)
    },
  }
  if (shown === "note") {
    const toCode = (
      <BarButton icon="diagram" text={said.openAsCode} label={said.openAsCode} onClick={() => turn("code")} />
    )
    return <NoteEditor {...props} menu={(text) => sourceIn(text) !== null && toCode} />
  }
  return (
    <Suspense fallback={null}>
      <Code
        {...props}
        menu={<BarButton icon="heading" text={said.openAsNote} label={said.openAsNote} onClick={() => turn("note")} />}
      />
    </Suspense>
  )
}
