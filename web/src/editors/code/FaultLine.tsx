import { useSentences } from "../../i18n/catalogue.ts"
import styles from "./FaultLine.module.css"
import { faultText } from "./faults.ts"
import { Icon } from "./Icon.tsx"
import type { Fault } from "./protocol.ts"
import { code } from "./sentences.ts"

/** Why there is no newer picture. Said aloud when typing pauses, hence the empty region that is always there. */
export function FaultLine(props: {
  fault: Fault | null
  stale: boolean
  onGo: (line: number) => void
  onRetry: () => void
}) {
  const { fault, stale, onGo, onRetry } = props
  const said = useSentences(code)
  const line = fault?.place?.line
  return (
    <div className={styles.line} role="status">
      {fault && (
        <>
          <Icon name="warning" />
          {stale && <span className={styles.badge}>{said.stale}</span>}
          <span className={styles.text}>{faultText(fault)}</span>
          {line !== undefined && (
            <button type="button" aria-label={said.goTo(line)} onClick={() => onGo(line)}>
              {said.line(line)}
            </button>
          )}
          {fault.kind === "unavailable" && (
            <button type="button" onClick={onRetry}>
              {said.retry}
            </button>
          )}
        </>
      )}
    </div>
  )
}
