import { type ReactNode, useId } from "react"
import { useModal } from "../ui/useModal.ts"
import styles from "./Modal.module.css"

type ModalProps = { title: string; text?: string; onClose: () => void; children: ReactNode; choices: ReactNode }

/** A wide dialog of the browser's own: it keeps the focus, and Escape closes it. */
export function Modal({ title, text, onClose, children, choices }: ModalProps) {
  const dialog = useModal()
  const id = useId()
  return (
    <dialog ref={dialog} className={styles.modal} aria-labelledby={id} onClose={onClose}>
      <h2 id={id}>{title}</h2>
      {text && <p>{text}</p>}
      <div className={styles.content}>{children}</div>
      <div className={styles.choices}>{choices}</div>
    </dialog>
  )
}
