import { Link } from "wouter"
import { useSentences } from "../i18n/catalogue.ts"
import { absolute, relative, size } from "../i18n/dates.ts"
import { IconButton } from "../ui/Button.tsx"
import { Icon } from "../ui/Icon.tsx"
import { Menu, type MenuItem } from "../ui/Menu.tsx"
import { Cover } from "./Cover.tsx"
import styles from "./Dashboard.module.css"
import type { View } from "./filter.ts"
import type { ItemsProps } from "./Items.tsx"
import { ICONS } from "./kinds.ts"
import type { Layout } from "./layout.ts"
import type { Summary } from "./queries.ts"
import { dashboard } from "./sentences.ts"

type Props = Pick<ItemsProps, "onSelect" | "onAct"> & {
  item: Summary
  layout: Layout
  view: View
  isSelected: boolean
  isSelecting: boolean
}

/** One diagram, as a card or a row. */
export function Item(props: Props) {
  const { item, layout, isSelected, isSelecting, onSelect } = props
  const text = useSentences(dashboard)
  const when = item.deleted_at ?? item.updated_at
  const caption = item.deleted_at ? text.deleted(relative(when)) : text.changed(relative(when))
  return (
    <article className={`${styles[layout === "grid" ? "card" : "row"]} ${isSelected ? styles.chosen : ""}`}>
      <input
        type="checkbox"
        className={`${styles.tick} ${isSelecting ? styles.ticking : ""}`}
        checked={isSelected}
        aria-label={text.select(item.title)}
        onChange={() => undefined}
        onClick={(event) => onSelect(item.id, { range: event.shiftKey })}
      />
      {layout === "grid" ? (
        <span className={styles.cover}>
          <Cover id={item.id} type={item.type} />
        </span>
      ) : null}
      <span className={styles.kind} title={text.kinds[item.type]}>
        <Icon name={ICONS[item.type]} />
      </span>
      <Link href={`/d/${item.id}`} className={styles.title} title={item.title}>
        {item.title}
      </Link>
      <time className={styles.when} dateTime={when} title={absolute(when)}>
        {caption}
      </time>
      {layout === "list" ? <span className={styles.size}>{size(item.size_bytes)}</span> : null}
      <Actions {...props} />
    </article>
  )
}

function Actions({ item, view, onAct }: Props) {
  const { actions, more } = useSentences(dashboard)
  const ids = [item.id]
  const inTrash: MenuItem[][] = [
    [{ label: actions.restore, icon: "restore", run: () => onAct("restore", ids) }],
    [{ label: actions.purge, icon: "trash", danger: true, run: () => onAct("purge", ids) }],
  ]
  const elsewhere: MenuItem[][] = [
    [{ label: actions.rename, icon: "pencil", run: () => onAct("rename", ids) }],
    [{ label: actions.trash, icon: "trash", danger: true, run: () => onAct("trash", ids) }],
  ]
  return (
    <span className={styles.more}>
      <Menu
        trigger={<IconButton icon="dots" label={more(item.title)} />}
        groups={view === "trash" ? inTrash : elsewhere}
      />
    </span>
  )
}
