import { type ButtonHTMLAttributes, cloneElement, type KeyboardEvent, type ReactElement, useId, useRef } from "react"
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

const GAP = 4
const MARGIN = 8

/**
 * A button, *trigger*, and the menu that it opens; lines divide the groups. The browser's own popover closes it by Escape or
 * by a click elsewhere, and gives the focus back (WAI-ARIA APG, menu button). A library's menu would weigh 48 kB.
 */
export function Menu({
  trigger,
  groups,
}: {
  trigger: ReactElement<ButtonHTMLAttributes<HTMLButtonElement>>
  groups: MenuItem[][]
}) {
  const id = useId()
  const menu = useRef<HTMLDivElement>(null)
  const items = () => [...(menu.current?.querySelectorAll<HTMLElement>("[role^=menuitem]") ?? [])]

  function place(open: boolean) {
    const popup = menu.current
    const button = document.getElementById(`${id}-button`)
    button?.setAttribute("aria-expanded", String(open))
    if (!open || !popup || !button) return
    const at = button.getBoundingClientRect()
    const below = at.bottom + GAP
    const fits = below + popup.offsetHeight + MARGIN <= innerHeight
    popup.style.top = `${fits ? below : Math.max(MARGIN, at.top - GAP - popup.offsetHeight)}px`
    const right = Math.min(at.right, innerWidth - MARGIN)
    popup.style.left = `${Math.max(MARGIN, right - popup.offsetWidth)}px`
    items()[0]?.focus()
  }

  function onKeyDown(event: KeyboardEvent) {
    const all = items()
    const active = all.indexOf(document.activeElement as HTMLElement)
    const targets = new Map([
      ["ArrowDown", (active + 1) % all.length],
      ["ArrowUp", (active - 1 + all.length) % all.length],
      ["Home", 0],
      ["End", all.length - 1],
    ])
    const target = targets.get(event.key)
    const isLetter = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey
    const byLetter = isLetter ? after(all, active).find((each) => startsWith(each, event.key)) : undefined
    if (target === undefined && !byLetter && event.key !== "Tab") return
    event.stopPropagation()
    if (event.key === "Tab") {
      menu.current?.hidePopover()
      return
    }
    event.preventDefault()
    const next = byLetter ?? all[target ?? 0]
    next?.focus()
  }

  return (
    <>
      {cloneElement(trigger, {
        id: `${id}-button`,
        popoverTarget: `${id}-menu`,
        "aria-haspopup": "menu",
        "aria-controls": `${id}-menu`,
      })}
      <div
        ref={menu}
        id={`${id}-menu`}
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-labelledby={`${id}-button`}
        className={styles.menu}
        onToggle={(event) => place(event.newState === "open")}
        onKeyDown={onKeyDown}
      >
        {groups.map((group, at) => (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset is no part of a menu
          <div key={group[0]?.label ?? at} role="group" className={styles.group}>
            {group.map((item) => (
              // biome-ignore lint/a11y/useAriaPropsSupportedByRole: of a menuitemradio only
              <button
                key={item.label}
                type="button"
                role={item.checked === undefined ? "menuitem" : "menuitemradio"}
                aria-checked={item.checked}
                tabIndex={-1}
                className={item.danger ? `${styles.item} ${styles.danger}` : styles.item}
                onPointerMove={(event) => event.currentTarget.focus()}
                onClick={() => {
                  menu.current?.hidePopover()
                  item.run()
                }}
              >
                <span className={styles.icon}>
                  {item.checked ? <Icon name="check" /> : item.icon ? <Icon name={item.icon} /> : null}
                </span>
                {item.label}
              </button>
            ))}
          </div>
        ))}
      </div>
    </>
  )
}

function after(all: HTMLElement[], at: number): HTMLElement[] {
  return [...all.slice(at + 1), ...all.slice(0, at + 1)]
}

function startsWith(item: HTMLElement, letter: string): boolean {
  return (item.textContent ?? "").trim().toLowerCase().startsWith(letter.toLowerCase())
}
