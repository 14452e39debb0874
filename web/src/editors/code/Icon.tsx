import { Glyph } from "../../ui/Icon.tsx"

/** Of the editors' toolbars, which are not loaded with the rest of the page. */
const PATHS = {
  bold: "M5 3h4.5a2.5 2.5 0 0 1 0 5H5zM5 8h5.2a2.5 2.5 0 0 1 0 5H5z",
  italic: "M7 3h5M4 13h5M9.5 3l-3 10",
  strike:
    "M3 8h10M11 4.5C10.4 3.5 9.3 3 8 3 6 3 4.8 4 4.8 5.4c0 1 .5 1.6 1.4 2M5 11.3c.6 1.1 1.7 1.7 3.1 1.7 2 0 3.2-1 3.2-2.5",
  heading: "M4 3v10M12 3v10M4 8h8",
  link: "M6.5 9.5l3-3M7.5 4.5l1-1a2.8 2.8 0 0 1 4 4l-1 1M8.5 11.5l-1 1a2.8 2.8 0 0 1-4-4l1-1",
  code: "M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5",
  quote: "M3 4v8M6.5 5H13M6.5 8H13M6.5 11H11",
  bullets: "M6 4h8M6 8h8M6 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01",
  numbers: "M7 4h7M7 8h7M7 12h7M2 3.2 3.2 2.6V6M2 10.2c.3-.6 1.7-.7 1.8.2 0 .7-1.2 1.2-1.8 2.1h2",
  tasks: "M2.5 3.5h4v4h-4zM9 5.5h5M9 11.5h5M2.5 11.5 4 13l3-3.5",
  table: "M2.5 3h11v10h-11zM2.5 6.5h11M2.5 9.8h11M8 6.5V13",
  diagram: "M2.5 2.5h4v3.5h-4zM9.5 10h4v3.5h-4zM4.5 6v5.8h5",
  embed: "M2.5 3.5h11v9h-11zM5 10l2-2.5 1.5 1.5L10.5 6l1.5 2",
  outline: "M2.5 3.5h7M5 8h8.5M5 12.5h6.5",
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13h10",
  warning: "M8 2.5 14 13H2zM8 6.5v3M8 11.3h.01",
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { name: IconName }) {
  return <Glyph path={PATHS[name]} />
}
