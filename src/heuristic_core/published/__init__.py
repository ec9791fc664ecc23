"""The accuracies that the paper's authors published, read and analysed as any study is."""
