import { type ReactNode, useEffect, useId, useRef } from "react"
import { IconButton } from "./Button.tsx"
import styles from "./Dialog.module.css"

type Props = {
  title: string
  /** The name of the button that closes it; null: it cannot be closed without an answer. */
  close: string | null
  onClose: () => void
  children: ReactNode
  wide?: boolean
}

/** A modal dialog of the browser's own: it keeps the focus, and gives it back. It is open as long as it is rendered. */
export function Dialog({ title, close, onClose, children, wide = false }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useEffect(() => {
    const opened = dialog.current
    opened?.showModal()
    return () => opened?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it as well
    <dialog
      ref={dialog}
      className={wide ? `${styles.dialog} ${styles.wide}` : styles.dialog}
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
