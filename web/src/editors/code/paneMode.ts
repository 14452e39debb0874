import { useState } from "react"

export const MODES = ["first", "both", "second"] as const
export type PaneMode = (typeof MODES)[number]

/** The mode, kept for the next time under *key*. */
export function usePaneMode(key: string): [PaneMode, (mode: PaneMode) => void] {
  const [mode, setMode] = useState<PaneMode>(
    () => MODES.find((each) => each === localStorage.getItem(`autograph.panes.${key}`)) ?? "both",
  )
  return [
    mode,
    (next) => {
      localStorage.setItem(`autograph.panes.${key}`, next)
      setMode(next)
    },
  ]
}
