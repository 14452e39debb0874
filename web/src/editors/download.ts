/** As a file's name may be on every system. */
export function fileName(title: string, extension: string): string {
  const plain = title.replace(/[\\/:*?"<>|\p{Cc}]+/gu, " ").trim()
  return `${plain.slice(0, 120) || "diagram"}.${extension}`
}

export function download(name: string, content: Blob): void {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(content)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/** *value* as JSON that people can read. */
export function downloadJson(title: string, value: unknown): void {
  download(fileName(title, "json"), new Blob([JSON.stringify(value, null, 2)], { type: "application/json" }))
}
