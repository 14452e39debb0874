import { useQuery } from "@tanstack/react-query"
import { api, type Schemas } from "../api/client.ts"
import { dataOf, describe, refusedOf } from "../api/problems.ts"
import { useSentences } from "../i18n/catalogue.ts"
import { absolute } from "../i18n/dates.ts"
import { language } from "../i18n/language.ts"
import { EmptyState } from "../ui/EmptyState.tsx"
import { Page } from "../ui/Page.tsx"
import styles from "./Status.module.css"
import { status } from "./sentences.ts"

const REFRESH_MS = 5_000

/** What the installation's parts say of themselves, for administrators. */
export default function Status() {
  const text = useSentences(status)
  const found = useQuery({
    queryKey: ["status"],
    queryFn: async () => dataOf(await api.GET("/api/admin/status")),
    refetchInterval: REFRESH_MS,
  })
  if (found.isError && !found.data) {
    return (
      <main>
        <EmptyState icon="warning" title={text.failed}>
          {describe(refusedOf(found.error))}
        </EmptyState>
      </main>
    )
  }
  const { data } = found
  return (
    <Page title={text.title} busy={found.isPending}>
      {data ? (
        <>
          <p className={styles.whole} role="status">
            <span className={`${styles.dot} ${styles[data.state]}`} /> {text.state[data.state]}
            <span className={styles.soft}>
              {text.release(data.release)} · {text.asOf(absolute(data.at))}
            </span>
          </p>
          <ul className={styles.parts}>
            {data.parts.map((part) => (
              <PartRow key={part.name} part={part} />
            ))}
          </ul>
        </>
      ) : null}
    </Page>
  )
}

function PartRow({ part }: { part: Schemas["Part"] }) {
  const text = useSentences(status)
  const names: Record<string, string> = text.parts
  const number = new Intl.NumberFormat(language.get())
  const numbers = Object.entries(part.numbers)
  return (
    <li className={styles.part}>
      <span className={`${styles.dot} ${styles[part.state]}`} />
      <div>
        <h2>
          {names[part.name] ?? part.name} <span className="visually-hidden">: {text.states[part.state]}</span>
        </h2>
        <p className={styles.soft}>{text.codes[part.code]}</p>
        {numbers.length > 0 ? (
          <dl className={styles.numbers}>
            {numbers.map(([name, value]) => (
              <div key={name}>
                <dt>{name.replaceAll("_", " ")}</dt>
                <dd>{number.format(value)}</dd>
              </div>
            ))}
          </dl>
        ) : null}
        {(part.processes ?? []).map((process) => (
          <p key={process.id} className={styles.soft}>
            {process.id} · {process.release} · {text.since(absolute(process.started_at))}
            {process.failing.length > 0 ? ` · ${text.failing(process.failing.join(", "))}` : ""}
          </p>
        ))}
      </div>
    </li>
  )
}
