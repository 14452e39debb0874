/** Elements that two people changed: both of each, and a choice that the drawing follows. */
import { useState } from "react"
import { useSentences } from "../../i18n/catalogue.ts"
import { type Element, elementsOf, type Overlap } from "../../saving/merge.ts"
import type { Saver } from "../../saving/saver.ts"
import type { Notice } from "../../saving/state.ts"
import buttons from "../DiagramPage.module.css"
import styles from "../Modal.module.css"
import { Modal } from "../Modal.tsx"
import { page } from "../sentences.ts"
import { choose } from "./overlaps.ts"
import { Picture } from "./Picture.tsx"

type Merged = Extract<Notice, { kind: "merged" }>
type Side = Overlap["taken"]

export default function OverlapDialog({
  saver,
  notice,
  onClose,
}: {
  saver: Saver
  notice: Merged
  onClose: () => void
}) {
  const { overlap: said } = useSentences(page)
  const [taken, setTaken] = useState(() => new Map(notice.overlaps.map(({ id, taken: side }) => [id, side])))

  function take(overlap: Overlap, side: Side): void {
    setTaken(new Map(taken).set(overlap.id, side))
    const scene = saver.now().canvas_data
    if (scene) saver.put({ canvas_data: choose(scene, overlap, side) })
  }

  const sideOf = (overlap: Overlap, side: Side) => (
    <label className={styles.option}>
      <span>
        <input
          type="radio"
          name={overlap.id}
          checked={taken.get(overlap.id) === side}
          onChange={() => take(overlap, side)}
        />{" "}
        {said[side]}
      </span>
      <Side
        element={overlap[side]}
        all={elementsOf(notice[side].canvas_data)}
        label={said[side]}
        removed={said.removed}
      />
    </label>
  )

  return (
    <Modal
      title={said.title}
      text={said.text}
      onClose={onClose}
      choices={
        <button type="button" className={buttons.primary} onClick={onClose}>
          {said.done}
        </button>
      }
    >
      {notice.overlaps.map((overlap) => (
        <fieldset key={overlap.id} className={styles.pair} aria-label={overlap.id}>
          {sideOf(overlap, "mine")}
          {sideOf(overlap, "theirs")}
        </fieldset>
      ))}
    </Modal>
  )
}

type SideProps = { element: Element | null; all: Element[]; label: string; removed: string }

/** With the text that stands in it. */
function Side({ element, all, label, removed }: SideProps) {
  const [scene] = useState(() => ({
    elements: element ? [element, ...all.filter((each) => each.containerId === element.id)] : [],
  }))
  return element ? <Picture scene={scene} label={label} /> : <span className={styles.none}>{removed}</span>
}
