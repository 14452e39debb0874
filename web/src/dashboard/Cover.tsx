import styles from "./Cover.module.css"
import type { DiagramType } from "./filter.ts"

/** A number from 0 to 2^32 that is the same for the same text (FNV-1a). */
function seedOf(text: string): number {
  let seed = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) seed = Math.imul(seed ^ text.charCodeAt(at), 0x01000193) >>> 0
  return seed
}

function* dice(seed: number): Generator<number, never> {
  let state = seed || 1
  for (;;) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    yield (state >>> 0) / 2 ** 32
  }
}

/** Stands for a picture of the diagram: of its kind, and always the same for the same diagram. */
export function Cover({ id, type }: { id: string; type: DiagramType }) {
  const rolls = dice(seedOf(id))
  const roll = () => rolls.next().value
  const hue = Math.floor(roll() * 6)
  return (
    <svg
      className={`${styles.cover} ${styles[`hue${hue}`]}`}
      viewBox="0 0 220 124"
      preserveAspectRatio="xMidYMid slice"
      aria-hidden="true"
    >
      {type === "note" ? <Lines x={40} width={140} roll={roll} /> : null}
      {type === "canvas" ? <Shapes x={28} width={164} roll={roll} /> : null}
      {type === "mixed" ? (
        <>
          <Shapes x={16} width={92} roll={roll} />
          <Lines x={126} width={76} roll={roll} />
        </>
      ) : null}
    </svg>
  )
}

function Lines({ x, width, roll }: { x: number; width: number; roll: () => number }) {
  const lines = [0.55, ...Array.from({ length: 5 }, () => 0.55 + roll() * 0.45)]
  return lines.map((share, at) => (
    <rect
      // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place
      key={at}
      className={at === 0 ? styles.strong : styles.soft}
      x={x}
      y={26 + at * 13}
      width={width * share}
      height={at === 0 ? 7 : 5}
      rx="2.5"
    />
  ))
}

function Shapes({ x, width, roll }: { x: number; width: number; roll: () => number }) {
  const size = Math.min(44, width * 0.36)
  const [left, right] = [30 + roll() * 30, 24 + roll() * 40]
  const [fromX, toX] = [x + size, x + width - size]
  return (
    <>
      <path
        className={styles.line}
        d={`M${fromX} ${left + 14}C${fromX + 24} ${left + 14} ${toX - 24} ${right + 14} ${toX} ${right + 14}`}
      />
      <rect className={styles.shape} x={x} y={left} width={size} height="28" rx="5" />
      {roll() > 0.5 ? (
        <rect className={styles.strong} x={toX} y={right} width={size} height="28" rx="5" />
      ) : (
        <circle className={styles.strong} cx={toX + size / 2} cy={right + 14} r="15" />
      )}
    </>
  )
}
