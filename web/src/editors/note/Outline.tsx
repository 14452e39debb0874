import { useSentences } from "../../i18n/catalogue.ts"
import type { Heading } from "./markdown.ts"
import styles from "./Outline.module.css"
import { note } from "./sentences.ts"

export function Outline({ headings, onJump }: { headings: Heading[]; onJump: (line: number) => void }) {
  const said = useSentences(note)
  const top = Math.min(...headings.map((each) => each.level))
  return (
    <nav className={styles.outline} aria-label={said.outline}>
      <h2>{said.outline}</h2>
      {headings.length === 0 && <p>{said.noHeadings}</p>}
      <ul>
        {headings.map(({ level, text, line }) => (
          <li key={line} data-depth={Math.min(4, level - top)}>
            <button type="button" onClick={() => onJump(line)}>
              {text || "–"}
            </button>
          </li>
        ))}
      </ul>
    </nav>
  )
}
