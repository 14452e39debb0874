import { type KeyboardEvent, useEffect, useRef, useState } from "react"
import { useSentences } from "../i18n/catalogue.ts"
import styles from "./DiagramPage.module.css"
import { page } from "./sentences.ts"

type TitleProps = { title: string; readOnly: boolean; onChange: (title: string) => void }

/** The title, edited in place: Enter or leaving it keeps it, Escape brings back the one before. */
export function Title({ title, readOnly, onChange }: TitleProps) {
  const said = useSentences(page)
  const [text, setText] = useState(title)
  const typing = useRef(false)
  useEffect(() => {
    if (!typing.current) setText(title)
  }, [title])

  function keep(): void {
    typing.current = false
    const next = text.trim().replace(/\s+/g, " ")
    setText(next || title)
    if (next && next !== title) onChange(next)
  }

  function onKeyDown(event: KeyboardEvent<HTMLInputElement>): void {
    if (event.key === "Escape") setText(title)
    if (event.key === "Escape" || event.key === "Enter") {
      const input = event.currentTarget
      requestAnimationFrame(() => input.blur())
    }
  }

  return (
    <input
      className={styles.title}
      aria-label={said.title}
      value={text}
      maxLength={255}
      readOnly={readOnly}
      spellCheck={false}
      onFocus={() => {
        typing.current = true
      }}
      onChange={(event) => setText(event.target.value)}
      onBlur={keep}
      onKeyDown={onKeyDown}
    />
  )
}
