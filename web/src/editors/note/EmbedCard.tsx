import { Link } from "wouter"
import { useSentences } from "../../i18n/catalogue.ts"
import { Icon } from "../code/Icon.tsx"
import styles from "./Preview.module.css"
import { useCard } from "./queries.ts"
import { note } from "./sentences.ts"

/** Another diagram, as a card that leads to it. Its picture comes from our own address only. */
export function EmbedCard({ id }: { id: string }) {
  const said = useSentences(note)
  const { data: card, isPending, isError, refetch } = useCard(id)
  if (isPending) return <span className={styles.card}>{said.embedLoading}</span>
  if (isError) {
    return (
      <span className={styles.card}>
        <Icon name="warning" /> {said.embedFailed}{" "}
        <button type="button" onClick={() => void refetch()}>
          {said.retry}
        </button>
      </span>
    )
  }
  if (!card) {
    return (
      <span className={styles.card} data-missing>
        <Icon name="warning" /> {said.embedMissing}
      </span>
    )
  }
  return (
    <Link className={styles.card} href={`/d/${id}`}>
      {card.thumbnail?.startsWith("/api/") ? <img src={card.thumbnail} alt="" /> : <Icon name="embed" />}
      <span>
        <strong>{card.title}</strong>
        <small>{said.kind[card.type]}</small>
      </span>
    </Link>
  )
}
