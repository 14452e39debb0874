import { expect, test } from "vitest"
import { deviceOf } from "./device.ts"

test("a browser is shown by its name and system", () => {
  expect(deviceOf("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")).toBe("Firefox, Linux")
  const edge =
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0"
  expect(deviceOf(edge)).toBe("Edge, Windows")
})

test("a program is shown by what it calls itself, and silence as nothing", () => {
  expect(deviceOf("curl/8.5.0")).toBe("curl/8.5.0")
  expect(deviceOf(null)).toBeNull()
})
