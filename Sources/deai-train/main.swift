print("deai-train")
