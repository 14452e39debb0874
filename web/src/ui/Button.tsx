import type { ButtonHTMLAttributes, Ref } from "react"
import styles from "./Button.module.css"
import { Icon, type IconName } from "./Icon.tsx"

type Native = ButtonHTMLAttributes<HTMLButtonElement> & { ref?: Ref<HTMLButtonElement> }
type Kind = "primary" | "plain" | "quiet" | "danger"

/** A button with a text. *busy*: what it began is not done; it cannot be pressed again meanwhile. */
export function Button(props: Native & { kind?: Kind; icon?: IconName; busy?: boolean }) {
  const { kind = "plain", icon, busy = false, className, children, disabled, ...native } = props
  return (
    <button
      type="button"
      {...native}
      className={[styles.button, styles[kind], className].filter(Boolean).join(" ")}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
    >
      {icon ? <Icon name={icon} /> : null}
      {children}
    </button>
  )
}

/** A button that shows an icon; *label* is its name, and its tooltip. */
export function IconButton(props: Native & { icon: IconName; label: string; keys?: string }) {
  const { icon, label, keys, className, ...native } = props
  return (
    <button
      type="button"
      {...native}
      className={[styles.iconButton, className].filter(Boolean).join(" ")}
      aria-label={label}
      aria-keyshortcuts={keys}
      title={label}
    >
      <Icon name={icon} />
    </button>
  )
}
