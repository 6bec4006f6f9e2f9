"""What the library costs and how well it paces, side by side with what people use; `README.md` says how to read it."""
