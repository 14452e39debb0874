export function download(name: string, content: string, type = "application/json"): void {
  const address = URL.createObjectURL(new Blob([content], { type }))
  const link = document.createElement("a")
  link.href = address
  link.download = name.replace(/[\\/:*?"<>|]/g, "-")
  link.click()
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}
