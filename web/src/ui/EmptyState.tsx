import type { ReactNode } from "react"
import styles from "./EmptyState.module.css"
import { Icon, type IconName } from "./Icon.tsx"

/** Where a list would be: why it is empty, and what to do. */
export function EmptyState(props: { icon: IconName; title: string; children?: ReactNode; actions?: ReactNode }) {
  const { icon, title, children, actions } = props
  return (
    <div className={styles.empty}>
      <span className={styles.icon}>
        <Icon name={icon} size={24} />
      </span>
      <h2>{title}</h2>
      {children ? <p>{children}</p> : null}
      {actions ? <div className={styles.actions}>{actions}</div> : null}
    </div>
  )
}
