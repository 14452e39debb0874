import { language } from "./language.ts"

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
]

/** As "3 hours ago". Less than a minute, and what a wrong clock shows of the future, is "now". */
export function relative(iso: string, now = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1000
  const format = new Intl.RelativeTimeFormat(language.get(), { numeric: "auto" })
  for (const [unit, length] of STEPS) {
    if (seconds >= length) return format.format(-Math.floor(seconds / length), unit)
  }
  return format.format(0, "second")
}

export function absolute(at: string | number): string {
  return new Intl.DateTimeFormat(language.get(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(at))
}

export function size(bytes: number): string {
  const [unit, divisor] = bytes < 1_000_000 ? (["kilobyte", 1_000] as const) : (["megabyte", 1_000_000] as const)
  const style = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 } as const
  return new Intl.NumberFormat(language.get(), style).format(bytes / divisor)
}
