import type { ReactNode } from "react"
import styles from "./Page.module.css"
import { useTitle } from "./useTitle.ts"

/** A page of text and forms, as wide as lines are well read. */
export function Page({ title, busy = false, children }: { title: string; busy?: boolean; children: ReactNode }) {
  useTitle(title)
  return (
    <main className={styles.page} aria-busy={busy}>
      <h1>{title}</h1>
      {children}
    </main>
  )
}
