/** A row of controls above an editor: one stop of the Tab key, arrow keys move within. */
import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react"
import styles from "./Bar.module.css"
import { Icon, type IconName } from "./Icon.tsx"

const STEPS: Record<string, number> = {
  ArrowRight: 1,
  ArrowLeft: -1,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
}

export function Bar({ label, children }: { label: string; children: ReactNode }) {
  const bar = useRef<HTMLDivElement>(null)
  const items = () => [...(bar.current?.querySelectorAll<HTMLElement>("button:not(:disabled), a[href]") ?? [])]

  // After each render, since buttons come and go.
  useEffect(() => {
    const all = items()
    const stop =
      all.find((each) => each === document.activeElement) ?? all.find((each) => each.tabIndex === 0) ?? all[0]
    for (const each of all) each.tabIndex = each === stop ? 0 : -1
  })

  function move(event: KeyboardEvent) {
    const step = STEPS[event.key]
    if (step === undefined) return
    const all = items().filter((each) => each.offsetParent !== null)
    const active = document.activeElement
    const at = active instanceof HTMLElement ? all.indexOf(active) : -1
    const next = all[Math.max(0, Math.min(all.length - 1, at + step))]
    if (at < 0 || !next) return
    event.preventDefault()
    for (const each of items()) each.tabIndex = each === next ? 0 : -1
    next.focus()
  }

  return (
    <div ref={bar} className={styles.bar} role="toolbar" aria-label={label} onKeyDown={move}>
      {children}
    </div>
  )
}

export function BarButton(props: {
  icon: IconName
  label: string
  keys?: string
  text?: string
  pressed?: boolean
  onClick: () => void
}) {
  const { icon, label, keys, text, pressed, onClick } = props
  return (
    <button
      type="button"
      className={styles.button}
      aria-label={label}
      aria-pressed={pressed}
      aria-keyshortcuts={keys}
      title={keys ? `${label} (${keys.replace("Control", "Ctrl")})` : label}
      onClick={onClick}
    >
      <Icon name={icon} />
      {text}
    </button>
  )
}

export function BarGap() {
  return <span className={styles.gap} />
}
