import { useSentences } from "../i18n/catalogue.ts"
import { Button, IconButton } from "../ui/Button.tsx"
import styles from "./Dashboard.module.css"
import type { View } from "./filter.ts"
import type { Change } from "./queries.ts"
import { dashboard } from "./sentences.ts"

type Props = { count: number; view: View; onAct: (kind: Change) => void; onClear: () => void }

export function SelectionBar({ count, view, onAct, onClear }: Props) {
  const text = useSentences(dashboard)
  return (
    <div className={styles.selection} role="toolbar" aria-label={text.selected(count)}>
      <IconButton icon="close" label={text.clear} onClick={onClear} />
      <strong>{text.selected(count)}</strong>
      {view === "trash" ? (
        <>
          <Button icon="restore" onClick={() => onAct("restore")}>
            {text.actions.restore}
          </Button>
          <Button icon="trash" kind="danger" onClick={() => onAct("purge")}>
            {text.actions.purge}
          </Button>
        </>
      ) : (
        <Button icon="trash" onClick={() => onAct("trash")}>
          {text.actions.trash}
        </Button>
      )}
    </div>
  )
}
