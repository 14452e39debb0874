import { useSentences } from "../i18n/catalogue.ts"
import { Button } from "../ui/Button.tsx"
import { Menu } from "../ui/Menu.tsx"
import { BEGINS, KINDS } from "./kinds.ts"
import { dashboard } from "./sentences.ts"
import { useCreate } from "./useCreate.ts"

/** The button that begins something new: a menu of kinds or, *asButtons*, one for each of the commonest. */
export function New({ asButtons = false }: { asButtons?: boolean }) {
  const text = useSentences(dashboard)
  const { busy, begin } = useCreate()
  if (asButtons) {
    return (["canvas", "note"] as const).map((kind, at) => (
      <Button
        key={kind}
        kind={at === 0 ? "primary" : "plain"}
        icon={BEGINS[kind].icon}
        busy={busy}
        onClick={() => void begin(kind)}
      >
        {text.kinds[kind]}
      </Button>
    ))
  }
  const items = KINDS.map((kind) => ({ label: text.kinds[kind], icon: BEGINS[kind].icon, run: () => void begin(kind) }))
  return (
    <Menu
      trigger={
        <Button kind="primary" icon="plus" busy={busy}>
          {text.create}
        </Button>
      }
      groups={[items]}
    />
  )
}
