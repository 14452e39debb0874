/** A version to look at, or two that are compared. */
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react"
import type { Scene } from "../editors/editor.ts"
import modal from "../editors/Modal.module.css"
import { Modal } from "../editors/Modal.tsx"
import { showTexts } from "../editors/TextMerge.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { differencesOf, overlay } from "./compare.ts"
import styles from "./Panel.module.css"
import { versions } from "./sentences.ts"

const Still = lazy(() => import("../editors/canvas/Still.tsx"))

export type Side = { label: string; canvas_data: Scene | null; note_content: string | null }

type LookProps = { before: Side | null; after: Side; onClose: () => void }

/** *after* alone, or what it has other than *before*. */
export default function Look({ before, after, onClose }: LookProps) {
  const said = useSentences(versions)
  const title = before ? `${before.label} → ${after.label}` : after.label
  return (
    <Modal
      title={title}
      onClose={onClose}
      choices={
        <button type="button" className={styles.action} onClick={onClose}>
          {said.done}
        </button>
      }
    >
      {(after.canvas_data || before?.canvas_data) && <Canvas before={before} after={after} />}
      {(after.note_content || before?.note_content) && <Note before={before} after={after} />}
    </Modal>
  )
}

function Canvas({ before, after }: Omit<LookProps, "onClose">) {
  const said = useSentences(versions)
  const [shown, setShown] = useState<string | null>(null)
  const differences = useMemo(
    () => (before ? differencesOf(before.canvas_data, after.canvas_data) : []),
    [before, after],
  )
  const scene = useMemo(
    () => (before ? overlay(after.canvas_data, differences) : after.canvas_data),
    [before, after, differences],
  )
  const still = (
    <div className={before ? styles.still : `${styles.still} ${styles.alone}`}>
      <Suspense fallback={null}>
        <Still scene={scene} shown={shown} />
      </Suspense>
    </div>
  )
  if (!before) return still
  return (
    <div className={styles.compare}>
      {still}
      <ul className={styles.differences} aria-label={said.difference.list}>
        {differences.length === 0 && <li className={styles.message}>{said.difference.none}</li>}
        {differences.map(({ kind, element }) => (
          <li key={element.id}>
            <button type="button" className={styles.difference} data-kind={kind} onClick={() => setShown(element.id)}>
              {said.difference[kind]}: {nameOf(element)}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}

function nameOf(element: Scene): string {
  return typeof element.text === "string" && element.text ? element.text.slice(0, 40) : String(element.type)
}

function Note({ before, after }: Omit<LookProps, "onClose">) {
  const host = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!before || !host.current) return
    const view = showTexts(host.current, {
      left: before.note_content ?? "",
      right: after.note_content ?? "",
      labels: [before.label, after.label],
      editable: false,
    })
    return () => view.destroy()
  }, [before, after])
  return before ? <div ref={host} className={modal.texts} /> : <pre className={styles.note}>{after.note_content}</pre>
}
