/** Text and what it becomes, side by side or one at a time; on small screens always one at a time. */
import type { ReactNode } from "react"
import styles from "./Panes.module.css"
import { MODES, type PaneMode } from "./paneMode.ts"

type Labels = { group: string } & Record<PaneMode, string>

export function PaneSwitch({
  mode,
  onMode,
  labels,
}: {
  mode: PaneMode
  onMode: (mode: PaneMode) => void
  labels: Labels
}) {
  return (
    <fieldset className={styles.switch} aria-label={labels.group}>
      {MODES.map((each) => (
        <button
          key={each}
          type="button"
          data-mode={each}
          data-chosen={mode}
          aria-pressed={mode === each}
          onClick={() => onMode(each)}
        >
          {labels[each]}
        </button>
      ))}
    </fieldset>
  )
}

export function Panes({ mode, first, second }: { mode: PaneMode; first: ReactNode; second: ReactNode }) {
  return (
    <div className={styles.panes} data-mode={mode}>
      <div className={styles.first}>{first}</div>
      <div className={styles.second}>{second}</div>
    </div>
  )
}
