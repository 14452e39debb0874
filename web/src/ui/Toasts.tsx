import { useSyncExternalStore } from "react"
import { Button, IconButton } from "./Button.tsx"
import styles from "./Toasts.module.css"
import { toasts } from "./toasts.ts"

export function Toasts({ close }: { close: string }) {
  const shown = useSyncExternalStore(toasts.subscribe, toasts.all)
  return (
    <div className={styles.toasts} role="status" aria-live="polite">
      {shown.map(({ id, text, action }) => (
        <div key={id} className={styles.toast}>
          <span>{text}</span>
          {action ? (
            <Button
              kind="quiet"
              className={styles.action}
              onClick={() => {
                toasts.hide(id)
                action.run()
              }}
            >
              {action.label}
            </Button>
          ) : null}
          <IconButton icon="close" label={close} className={styles.action} onClick={() => toasts.hide(id)} />
        </div>
      ))}
    </div>
  )
}
