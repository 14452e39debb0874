import { type ReactNode, useId } from "react"
import { IconButton } from "./Button.tsx"
import styles from "./Dialog.module.css"
import { useModal } from "./useModal.ts"

type Props = {
  title: string
  /** The name of the button that closes it; null: it cannot be closed without an answer. */
  close: string | null
  onClose: () => void
  children: ReactNode
}

/** A modal dialog of the browser's own: it keeps the focus, and returns it when it closes. It is open as long as it is rendered. */
export function Dialog({ title, close, onClose, children }: Props) {
  const dialog = useModal()
  const heading = useId()
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it as well
    <dialog
      ref={dialog}
      className={styles.dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        if (close) onClose()
      }}
      onClick={(event) => {
        if (close && event.target === dialog.current) onClose()
      }}
    >
      <div className={styles.inside}>
        <header className={styles.header}>
          <h2 id={heading}>{title}</h2>
          {close ? <IconButton icon="close" label={close} onClick={onClose} /> : null}
        </header>
        {children}
      </div>
    </dialog>
  )
}

/** The row of buttons at a dialog's end. */
export function DialogActions({ children }: { children: ReactNode }) {
  return <div className={styles.actions}>{children}</div>
}
