import { language } from "../i18n/language.ts"

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
]

/** "5 minutes ago", in the language of the page. A clock that is behind does not speak of the future. */
export function ago(at: string, now = Date.now()): string {
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000)
  const format = new Intl.RelativeTimeFormat(language.get(), { numeric: "auto" })
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 1]
  return unit === "second" ? format.format(0, "second") : format.format(-Math.floor(seconds / size), unit)
}

export function exactly(at: string): string {
  return new Intl.DateTimeFormat(language.get(), { dateStyle: "medium", timeStyle: "short" }).format(Date.parse(at))
}
