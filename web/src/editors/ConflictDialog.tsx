/** The same lines changed by two people: both texts side by side, and nothing is sent until one decides. */
import { useEffect, useRef } from "react"
import { useSentences } from "../i18n/catalogue.ts"
import type { TextConflict } from "../saving/merge.ts"
import buttons from "./DiagramPage.module.css"
import styles from "./Modal.module.css"
import { Modal } from "./Modal.tsx"
import { page } from "./sentences.ts"
import { showTexts, type TextMerge } from "./TextMerge.ts"

type ConflictProps = { conflict: TextConflict; onDecide: (text: string) => void; onClose: () => void }

export default function ConflictDialog({ conflict, onDecide, onClose }: ConflictProps) {
  const { conflict: said } = useSentences(page)
  const host = useRef<HTMLDivElement>(null)
  const merge = useRef<TextMerge>(null)
  const { mine, theirs } = conflict
  useEffect(() => {
    if (!host.current) return
    const sides = {
      left: theirs,
      right: mine,
      labels: [said.theirs, said.mine] satisfies [string, string],
      editable: true,
    }
    merge.current = showTexts(host.current, sides)
    return () => merge.current?.destroy()
  }, [mine, theirs, said])
  return (
    <Modal
      title={said.title}
      text={said.text}
      onClose={onClose}
      choices={
        <>
          <button type="button" className={buttons.button} onClick={onClose}>
            {said.later}
          </button>
          <button type="button" className={buttons.button} onClick={() => onDecide(theirs)}>
            {said.takeTheirs}
          </button>
          <button type="button" className={buttons.primary} onClick={() => onDecide(merge.current?.text() ?? mine)}>
            {said.keep}
          </button>
        </>
      }
    >
      <div className={styles.sides}>
        <span>{said.theirs}</span>
        <span>{said.mine}</span>
      </div>
      <div ref={host} className={styles.texts} />
    </Modal>
  )
}
