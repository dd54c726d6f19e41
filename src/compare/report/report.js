// A model that is chosen in any legend stands out in all pictures; chosen again, it does not.
const root = document.documentElement;
const show = (slot) => (slot === null ? delete root.dataset.only : (root.dataset.only = slot));
let chosen = null;
for (const item of document.querySelectorAll(".legend li")) {
  const slot = item.dataset.slot;
  const choose = () => show((chosen = chosen === slot ? null : slot));
  item.tabIndex = 0;
  item.setAttribute("role", "button");
  item.addEventListener("click", choose);
  item.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose();
    }
  });
  item.addEventListener("pointerenter", () => show(slot));
  item.addEventListener("pointerleave", () => show(chosen));
}
// Closed tables would be missing on paper.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((table) => (table.open = true)));
