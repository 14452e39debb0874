import { Menu as Base } from "@base-ui/react/menu"
import type { ReactElement } from "react"
import { Icon, type IconName } from "./Icon.tsx"
import styles from "./Menu.module.css"

export type MenuItem = {
  label: string
  icon?: IconName
  /** Of a choice: whether it is the current one. */
  checked?: boolean
  danger?: boolean
  run: () => void
}

/** A button, *trigger*, and the menu that it opens. Groups are divided by lines. */
export function Menu({ trigger, groups }: { trigger: ReactElement; groups: MenuItem[][] }) {
  return (
    <Base.Root modal={false}>
      <Base.Trigger render={trigger} />
      <Base.Portal>
        <Base.Positioner sideOffset={4} align="end" className={styles.positioner}>
          <Base.Popup className={styles.menu}>
            {groups.map((items, at) => (
              <Base.Group key={items[0]?.label ?? at} className={styles.group}>
                {items.map((item) => (
                  <Base.Item
                    key={item.label}
                    className={item.danger ? `${styles.item} ${styles.danger}` : styles.item}
                    aria-checked={item.checked}
                    role={item.checked === undefined ? "menuitem" : "menuitemradio"}
                    onClick={item.run}
                  >
                    <span className={styles.icon}>
                      {item.checked ? <Icon name="check" /> : item.icon ? <Icon name={item.icon} /> : null}
                    </span>
                    {item.label}
                  </Base.Item>
                ))}
              </Base.Group>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
