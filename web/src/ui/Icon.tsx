/** The page's icons, drawn on a grid of 16 by 16. They say nothing to a screen reader: what they stand in has a name. */
const PATHS = {
  account: "M8 8.5a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6M2.8 13.6c.7-2.2 2.7-3.4 5.2-3.4s4.5 1.2 5.2 3.4",
  back: "M10 3.5 5.5 8l4.5 4.5",
  canvas: "M2.5 3.5h5v4h-5zM10.8 12.8a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6M7.5 5.5h2a1.3 1.3 0 0 1 1.3 1.3v1.4",
  check: "m3 8.5 3.2 3.2L13 4.8",
  chevron: "m4.5 6.5 3.5 3.5 3.5-3.5",
  close: "m4 4 8 8m0-8-8 8",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12M8 4.8V8l2.2 1.6",
  code: "M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5",
  dots: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  down: "M8 3v10m-4-4 4 4 4-4",
  grid: "M2.5 2.5h4.5v4.5H2.5zM9 2.5h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
  help: "M5.8 6a2.2 2.2 0 1 1 3.4 1.9c-.8.5-1.2.9-1.2 1.8M8 12.3h.01",
  list: "M5.5 4H14M5.5 8H14M5.5 12H14M2.3 4h.01M2.3 8h.01M2.3 12h.01",
  mixed: "M2.5 3h11v10h-11zM8 3v10M10 6h2M10 8.5h2",
  moon: "M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8",
  note: "M3.5 2.5h6l3 3v8h-9zM9.5 2.5v3h3M5.8 8h4.4M5.8 10.5h4.4",
  pencil: "m3 13 .7-2.8 7-7 2.1 2.1-7 7zM9.2 4.7l2.1 2.1",
  plus: "M8 3v10M3 8h10",
  pulse: "M2 8.5h3l1.6-4.5 2.8 8L11 8.5h3",
  restore: "M3 8a5 5 0 1 0 1.6-3.7M3 2.8v2.4h2.4",
  search: "M7.2 12A4.8 4.8 0 1 0 7.2 2.4a4.8 4.8 0 0 0 0 9.6M10.7 10.7 14 14",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9",
  trash: "M2.8 4.3h10.4M6.3 4.3V2.8h3.4v1.5M4 4.3l.7 9h6.6l.7-9M6.7 7v3.8M9.3 7v3.8",
  warning: "M8 2.5 14 13H2zM8 6.5v3M8 11.3h.01",
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size }: { name: IconName; size?: number }) {
  return <Glyph path={PATHS[name]} {...(size && { size })} />
}

/** *path*: lines on a grid of 16 by 16. */
export function Glyph({ path, size = 16 }: { path: string; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 16 16" fill="none" aria-hidden="true">
      <path d={path} stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  )
}

/** The mark of AutoGraph, as in `icon.svg`. */
export function Mark({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path
        d="M9 21.5 16 10l7 11.5"
        fill="none"
        stroke="var(--accent-text)"
        strokeWidth="2"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      {[
        [16, 9.5],
        [8.5, 22],
        [23.5, 22],
      ].map(([cx, cy]) => (
        <circle key={`${cx}-${cy}`} cx={cx} cy={cy} r="3.2" fill="var(--accent-text)" />
      ))}
    </svg>
  )
}
