/** Addresses of drawings as images, where no script runs. Each is given back when nobody refers to its drawing any more. */
import type { Drawing } from "./protocol.ts"

const addresses = new WeakMap<Drawing, string>()
const unused = new FinalizationRegistry<string>((address) => URL.revokeObjectURL(address))

export function blobUrl(drawing: Drawing): string {
  const known = addresses.get(drawing)
  if (known !== undefined) return known
  const address = URL.createObjectURL(new Blob([drawing.svg], { type: "image/svg+xml" }))
  addresses.set(drawing, address)
  unused.register(drawing, address)
  return address
}
